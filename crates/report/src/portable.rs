//! Text without the folders of the machine that it was written on.

use std::path::Path;

use toml::{Table, Value};

/// A text in which each absolute path is its last name, and each path into the run is relative to it.
pub(crate) fn text(text: &str, run: &Path) -> String {
    let inside = format!("{}/", run.display());
    let text =
        text.replace(&inside, "").replace(&run.display().to_string(), &last(&run.display().to_string()));
    let mut portable = String::with_capacity(text.len());
    for word in text.split_inclusive([' ', '`', '\'', '"', '=', ',', ';', '(']) {
        let end = word.trim_end_matches([' ', '`', '\'', '"', '=', ',', ';', '(']).len();
        let (path, rest) = word.split_at(end);
        portable.push_str(&if is_absolute(path) { last(path) } else { path.to_owned() });
        portable.push_str(rest);
    }
    portable
}

/// Replaces each absolute path of a configuration by its last name, and returns the keys of those.
pub(crate) fn settings(table: &mut Table) -> Vec<String> {
    let mut keys = Vec::new();
    collect("", table, &mut keys);
    keys
}

fn collect(section: &str, table: &mut Table, keys: &mut Vec<String>) {
    for (name, value) in table.iter_mut() {
        let key = if section.is_empty() { name.clone() } else { format!("{section}.{name}") };
        replace(&key, value, keys);
    }
}

fn replace(key: &str, value: &mut Value, keys: &mut Vec<String>) {
    match value {
        Value::String(text) if is_absolute(text) => {
            *text = last(text);
            keys.push(key.to_owned());
        }
        Value::Table(table) => collect(key, table, keys),
        Value::Array(values) => values.iter_mut().for_each(|value| replace(key, value, keys)),
        _ => {}
    }
}

fn is_absolute(path: &str) -> bool {
    path.len() > 1 && Path::new(path).is_absolute()
}

/// The last name of a path.
fn last(path: &str) -> String {
    Path::new(path).file_name().map_or_else(|| path.to_owned(), |name| name.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_the_machine_are_their_last_names() {
        let run = Path::new("/home/me/runs/00000-x");
        assert_eq!(text("wrote /home/me/runs/00000-x/fakes_init.png", run), "wrote fakes_init.png");
        assert_eq!(
            text("data.path is now /data/faces, before `/old/f`; 1/2", run),
            "data.path is now faces, before `f`; 1/2"
        );
        assert_eq!(text("run runs/00000-x on cpu", Path::new("runs/00000-x")), "run 00000-x on cpu");
    }

    #[test]
    fn paths_of_a_configuration_are_replaced_and_named() {
        let mut table: Table =
            "seed = 1\n[data]\npath = \"/data/faces\"\nkind = \"folder\"\n".parse().unwrap();
        assert_eq!(settings(&mut table), ["data.path"]);
        assert_eq!(table["data"]["path"].as_str(), Some("faces"));
    }
}
