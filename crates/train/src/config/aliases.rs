//! Migration of configuration keys of version 0.1: old configuration files, runs and models still load.
//!
//! All old keys are listed here.

use toml::{Table, Value};

/// Old path, new path. A table is moved with its contents; existing keys of the new table are kept.
const MOVED: [(&str, &str); 22] = [
    ("gan.contrast", "loss.contrast"),
    ("gan.attributes", "loss.attributes"),
    ("loss.attributes.reader", "loss.attributes.classifier"),
    ("gan.reconstruction", "loss.reconstruction"),
    ("loss.kind", "loss.adversarial.kind"),
    ("loss.matching_aware", "loss.adversarial.matching_aware"),
    ("loss.lambda", "loss.adversarial.lambda"),
    ("loss.drift", "loss.adversarial.drift"),
    ("loss.r1_gamma", "loss.adversarial.r1.gamma"),
    ("loss.r1_interval", "loss.adversarial.r1.interval"),
    ("loss.r1_sigma", "loss.adversarial.r1.sigma"),
    ("optimizer.kl_weight", "loss.conditioning.kl_weight"),
    ("optimizer.hard_negatives", "loader.hard_negatives"),
    ("optimizer.null_captions", "loader.caption_dropout"),
    ("optimizer.dropped_words", "loader.word_dropout"),
    ("optimizer.reader", "optimizer.classifier"),
    ("output.workers", "loader.workers"),
    ("data.validation_fraction", "data.split.validation_fraction"),
    ("data.test_fraction", "data.split.test_fraction"),
    ("data.fit", "data.files.fit"),
    ("data.filter", "data.files.filter"),
    ("data.allow_bad", "data.files.allow_bad"),
];

/// As [`MOVED`], for data sets of files only; procedural faces keep these keys.
const MOVED_OF_FILES: [(&str, &str); 5] = [
    ("data.seed", "data.split.seed"),
    ("data.cache", "data.files.cache"),
    ("data.memory_mib", "data.files.memory_mib"),
    ("data.background", "data.files.background"),
    ("data.max_megapixels", "data.files.max_megapixels"),
];

/// Moves every old key of a configuration layer to its new path and returns the moved pairs. `kind` is the
/// data set's kind if the layer has none.
pub(super) fn migrate(layer: &mut Table, kind: Option<&str>) -> Vec<(&'static str, &'static str)> {
    let own = layer.get("data").and_then(|data| data.get("kind")).and_then(Value::as_str);
    let of_files = own.or(kind).is_some_and(|kind| kind != "procedural");
    let moved = MOVED.iter().chain(MOVED_OF_FILES.iter().filter(|_| of_files));
    let mut done = Vec::new();
    for &(old, new) in moved {
        if let Some(value) = take(layer, old) {
            put(layer, new, value);
            done.push((old, new));
        }
    }
    done
}

/// Removes the value of a path, and tables that become empty.
fn take(table: &mut Table, path: &str) -> Option<Value> {
    match path.split_once('.') {
        None => table.remove(path),
        Some((first, rest)) => {
            let inner = table.get_mut(first)?.as_table_mut()?;
            let value = take(inner, rest)?;
            if inner.is_empty() {
                table.remove(first);
            }
            Some(value)
        }
    }
}

/// Sets the value of a path, unless it has one.
fn put(table: &mut Table, path: &str, value: Value) {
    match path.split_once('.') {
        None => match (table.get_mut(path), value) {
            (Some(Value::Table(there)), Value::Table(moved)) => {
                moved.into_iter().for_each(|(key, value)| put(there, &key, value));
            }
            (Some(_), _) => {}
            (None, value) => {
                table.insert(path.to_owned(), value);
            }
        },
        Some((first, rest)) => {
            let inner = table.entry(first).or_insert_with(|| Value::Table(Table::new()));
            if let Value::Table(inner) = inner {
                put(inner, rest, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn migrated(text: &str, kind: Option<&str>) -> Table {
        let mut table = text.parse().unwrap();
        migrate(&mut table, kind);
        table
    }

    #[test]
    fn old_keys_move_with_their_tables_and_new_ones_win() {
        let old = "gan = { resolution = 8, attributes = { weight = 2.0, reader = [4] } }\n\
                   loss = { kind = 'hinge', r1_gamma = 0.5, attributes = { weight = 3.0 } }";
        let new = "gan = { resolution = 8 }\n\
                   loss.adversarial = { kind = 'hinge', r1 = { gamma = 0.5 } }\n\
                   loss.attributes = { weight = 3.0, classifier = [4] }";
        assert_eq!(migrated(old, None), new.parse::<Table>().unwrap());
        assert_eq!(migrated(new, None), new.parse::<Table>().unwrap());
    }

    #[test]
    fn the_seed_of_a_data_set_of_files_is_that_of_its_split() {
        let split: Table = "data.split.seed = 3".parse().unwrap();
        assert_eq!(migrated("data.seed = 3", Some("folder")), split);
        assert_eq!(migrated("data.seed = 3", Some("procedural")), "data.seed = 3".parse::<Table>().unwrap());
        let named: Table = "data = { kind = 'lfw', split = { seed = 3 } }".parse().unwrap();
        assert_eq!(migrated("data = { kind = 'lfw', seed = 3 }", Some("procedural")), named);
    }
}
