//! Files of captions with claims and without images: texts to measure a model with.
//!
//! A line has three columns, separated by tabs: the class of the caption's wording, the caption, and its
//! claims, `attribute=value|value` separated by semicolons. Blank lines and lines that begin with `#` are
//! skipped. A file has the encodings of [`text_file`]. A value whose name contains
//! `|`, `;` or `=` cannot be written in this form.
//!
//! ```text
//! plain<TAB>lady with ginger or blonde hair<TAB>sex=woman;hair-colour=blond|red
//! negation<TAB>he doesn't wear glasses<TAB>sex=man;glasses=none
//! ```

use std::path::Path;

use super::claims::Claims;
use super::schema::Schema;
use crate::dataset::Caption;
use crate::error::{Error, Result};
use crate::text_file;

/// The columns of a line.
const COLUMNS: &str = "three columns, separated by tabs: class, caption and claims";
/// The form of claims.
const FORM: &str = "attribute=value|value, separated by semicolons";

/// A caption with claims, and the class of its wording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimedCaption {
    /// The class, such as `negation`: lower-case letters, digits and hyphens.
    pub class: String,
    /// The caption, which makes at least one claim.
    pub caption: Caption,
}

/// The captions of a file; see the form in this module's documentation.
///
/// ```
/// use t2f_data::attributes::{Attribute, ClaimedCaptions, Schema};
///
/// let schema = Schema::new(vec![Attribute::new("hair", ["black", "blond", "red"])])?;
/// let text = "# class, caption, claims\nplain\tginger or blonde hair\thair=blond|red\n";
/// let captions = ClaimedCaptions::parse("mine", text, &schema)?;
/// assert_eq!(captions.captions()[0].caption.claims.about(0).unwrap().allowed, [1, 2]);
/// assert_eq!(captions.classes(), ["plain"]);
/// # Ok::<(), t2f_data::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimedCaptions {
    name: String,
    schema: Schema,
    captions: Vec<ClaimedCaption>,
    fingerprint: String,
}

impl ClaimedCaptions {
    /// Reads a file; `schema` has the attributes of the claims.
    ///
    /// # Errors
    /// If the file cannot be read, and as for [`parse`](Self::parse).
    pub fn load(path: impl AsRef<Path>, schema: &Schema) -> Result<Self> {
        let path = path.as_ref();
        let text = text_file::read(path).map_err(|error| Error::file(path, error))?;
        let name = path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
        Self::of(name, &text, path, schema)
    }

    /// Reads the text of a file.
    ///
    /// # Errors
    /// If there is no caption, or a line has another number of columns, an empty caption, a class of other
    /// characters, no claim, a claim of another form, an attribute or a value that the schema does not have,
    /// two claims about an attribute, or a claim that allows all values. The error names the line.
    pub fn parse(name: &str, text: &str, schema: &Schema) -> Result<Self> {
        Self::of(name.into(), text, Path::new(name), schema)
    }

    fn of(name: String, text: &str, path: &Path, schema: &Schema) -> Result<Self> {
        let mut captions = Vec::new();
        for (at, line) in text.lines().enumerate() {
            if line.trim().is_empty() || line.trim_start().starts_with('#') {
                continue;
            }
            let caption = read(line, schema)
                .map_err(|reason| Error::file(path, format!("line {}: {reason}", at + 1)))?;
            captions.push(caption);
        }
        if captions.is_empty() {
            return Err(Error::file(path, format!("there is no caption, expected lines of {COLUMNS}")));
        }
        let fingerprint = format!("{name}-{}", &blake3::hash(text.as_bytes()).to_hex()[..16]);
        Ok(Self { name, schema: schema.clone(), captions, fingerprint })
    }

    /// The name of the file without its extension.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The attributes of the claims.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// The captions, in the order of the file.
    pub fn captions(&self) -> &[ClaimedCaption] {
        &self.captions
    }

    /// The classes, in the order of their first captions.
    pub fn classes(&self) -> Vec<&str> {
        let mut classes: Vec<&str> = Vec::new();
        for ClaimedCaption { class, .. } in &self.captions {
            if !classes.contains(&class.as_str()) {
                classes.push(class);
            }
        }
        classes
    }

    /// A name for the content: equal fingerprints mean equal files.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }
}

/// The caption of a line.
fn read(line: &str, schema: &Schema) -> std::result::Result<ClaimedCaption, String> {
    let columns: Vec<&str> = line.split('\t').map(str::trim).collect();
    let [class, text, claims] = columns[..] else {
        return Err(format!("{} columns, expected {COLUMNS}", columns.len()));
    };
    let of_class = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if class.is_empty() || !class.chars().all(of_class) {
        return Err(format!("class `{class}`, expected lower-case letters, digits and hyphens"));
    }
    if text.is_empty() {
        return Err("the caption is empty".into());
    }
    let claims = claims_of(claims, schema)?;
    Ok(ClaimedCaption { class: class.into(), caption: Caption::new(text, claims) })
}

/// The claims of a column.
fn claims_of(column: &str, schema: &Schema) -> std::result::Result<Claims, String> {
    let mut claims = Claims::default();
    for claim in column.split(';').map(str::trim).filter(|claim| !claim.is_empty()) {
        let Some((name, values)) = claim.split_once('=') else {
            return Err(format!("claim `{claim}`, expected {FORM}"));
        };
        let attribute = schema.require(name.trim()).map_err(|error| error.to_string())?;
        let value = |value: &str| schema.value_index(attribute, value.trim());
        let mut allowed = values
            .split('|')
            .map(value)
            .collect::<Result<Vec<usize>>>()
            .map_err(|error| error.to_string())?;
        allowed.sort_unstable();
        allowed.dedup();
        if claims.about(attribute).is_some() {
            return Err(format!("two claims about `{}`, expected one", schema.name(attribute)));
        }
        if allowed.len() == schema.values(attribute).len() {
            return Err(format!("claim `{claim}` allows all values of the attribute, expected fewer"));
        }
        claims.add(attribute, &allowed);
    }
    if claims.is_empty() {
        return Err(format!("there is no claim, expected {FORM}"));
    }
    Ok(claims)
}

#[cfg(test)]
mod tests {
    use super::super::schema::Attribute;
    use super::*;

    fn schema() -> Schema {
        let attributes = vec![
            Attribute::new("hair-colour", ["black", "blond", "red"]),
            Attribute::new("glasses", ["none", "round", "sun"]),
        ];
        Schema::new(attributes).unwrap()
    }

    const TEXT: &str = "# class, caption, claims\n\nplain\tginger, or blonde\thair-colour=blond|red\n\
        negation-long\tno glasses; red\t glasses = none ; hair-colour = red | red ;\nplain\t#1 shades\tglasses=sun\n";

    #[test]
    fn captions_have_classes_and_claims_in_the_order_of_the_file() {
        let captions = ClaimedCaptions::parse("mine", TEXT, &schema()).unwrap();
        assert_eq!(captions.classes(), ["plain", "negation-long"]);
        let texts: Vec<&str> = captions.captions().iter().map(|one| one.caption.text.as_str()).collect();
        assert_eq!(texts, ["ginger, or blonde", "no glasses; red", "#1 shades"]);
        let of = |caption: usize, attribute: usize| {
            let claim = captions.captions()[caption].caption.claims.about(attribute);
            claim.map(|claim| claim.allowed.clone())
        };
        assert_eq!((of(0, 0), of(0, 1)), (Some(vec![1, 2]), None));
        assert_eq!((of(1, 0), of(1, 1)), (Some(vec![2]), Some(vec![0])));
        assert!(captions.fingerprint().starts_with("mine-"));
        let other = ClaimedCaptions::parse("mine", &TEXT.replace("ginger", "orange"), &schema()).unwrap();
        assert_ne!(captions.fingerprint(), other.fingerprint());
    }

    #[test]
    fn a_byte_order_mark_and_line_ends_of_windows_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mine.tsv");
        std::fs::write(&path, format!("\u{feff}{}", TEXT.replace('\n', "\r\n"))).unwrap();
        let read = ClaimedCaptions::load(&path, &schema()).unwrap();
        assert_eq!(read.captions(), ClaimedCaptions::parse("mine", TEXT, &schema()).unwrap().captions());
        assert_eq!(read.name(), "mine");
        let missing = ClaimedCaptions::load(folder.path().join("none.tsv"), &schema()).unwrap_err();
        assert!(missing.to_string().contains("none.tsv"), "{missing}");
    }

    #[test]
    fn a_fault_is_named_with_its_file_and_line_and_what_was_expected() {
        for (line, expected) in [
            ("plain\ta man", "line 2: 2 columns, expected three columns, separated by tabs"),
            ("plain\ta man\tglasses=sun\tmore", "line 2: 4 columns"),
            ("plain a man glasses=sun", "line 2: 1 columns"),
            ("\ta man\tglasses=sun", "line 2: class ``, expected lower-case letters"),
            ("Plain One\ta man\tglasses=sun", "line 2: class `Plain One`"),
            ("plain\t \tglasses=sun", "line 2: the caption is empty"),
            ("plain\ta man\t", "line 2: there is no claim, expected attribute=value|value"),
            ("plain\ta man\t ; ", "line 2: there is no claim"),
            ("plain\ta man\tglasses", "line 2: claim `glasses`, expected attribute=value|value"),
            (
                "plain\ta man\that=none",
                "line 2: unknown attribute `hat`: expected one of hair-colour, glasses",
            ),
            (
                "plain\ta man\tglasses=round|oval",
                "line 2: unknown value of glasses `oval`: expected one of none, round, sun",
            ),
            ("plain\ta man\tglasses=", "line 2: unknown value of glasses ``"),
            ("plain\ta man\tglasses=sun;glasses=none", "line 2: two claims about `glasses`"),
            ("plain\ta man\tglasses=none|round|sun", "line 2: claim `glasses=none|round|sun` allows all"),
        ] {
            let error = ClaimedCaptions::parse("mine.tsv", &format!("# first\n{line}\n"), &schema());
            let message = error.unwrap_err().to_string();
            assert!(message.starts_with(&format!("mine.tsv: {expected}")), "{line}: {message}");
        }
        let empty = ClaimedCaptions::parse("mine.tsv", "# nothing\n\n", &schema()).unwrap_err().to_string();
        assert!(empty.contains("there is no caption"), "{empty}");
    }
}
