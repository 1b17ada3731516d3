//! The attributes of LFW.
//!
//! `lfw_attributes.txt` has a score for each of 73 attributes of each image, above 0 where the attribute
//! is present: `Aaron Eckhart<TAB>1<TAB>1.57…`. The authors of Face2Text made `lfw_sample_attributes.txt`
//! of it for the 400 images of T2F: the names of the attributes that are present, behind the name of a
//! sample (`100f.jpg`), which `mapping.txt` beside it maps to a file of LFW.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::celeba::{schema as celeba_schema, spelled};
use super::layout::stem;
use crate::attributes::{Attribute, Attributes, Observation, Schema};
use crate::error::{Error, Result};
use crate::text_file;

/// The published order of the attributes, for tables without a header.
const NAMES: &str = "Male, Asian, White, Black, Baby, Child, Youth, Middle Aged, Senior, Black Hair, Blond Hair, \
    Brown Hair, Bald, No Eyewear, Eyeglasses, Sunglasses, Mustache, Smiling, Frowning, Chubby, Blurry, \
    Harsh Lighting, Flash, Soft Lighting, Outdoor, Curly Hair, Wavy Hair, Straight Hair, Receding Hairline, Bangs, \
    Sideburns, Fully Visible Forehead, Partially Visible Forehead, Obstructed Forehead, Bushy Eyebrows, \
    Arched Eyebrows, Narrow Eyes, Eyes Open, Big Nose, Pointy Nose, Big Lips, Mouth Closed, Mouth Slightly Open, \
    Mouth Wide Open, Teeth Not Visible, No Beard, Goatee, Round Jaw, Double Chin, Wearing Hat, Oval Face, \
    Square Face, Round Face, Color Photo, Posed Photo, Attractive Man, Attractive Woman, Indian, Gray Hair, \
    Bags Under Eyes, Heavy Makeup, Rosy Cheeks, Shiny Skin, Pale Skin, 5 o' Clock Shadow, \
    Strong Nose-Mouth Lines, Wearing Lipstick, Flushed Face, High Cheekbones, Brown Eyes, Wearing Earrings, \
    Wearing Necktie, Wearing Necklace";

/// The attributes that the table of T2F's images tells of; the others of the 73 are unknown there.
const SAMPLED: &str = "Male, Asian, White, Black, Indian, Baby, Child, Youth, Middle Aged, Senior, Black Hair, \
    Blond Hair, Brown Hair, Gray Hair, Bald, Eyeglasses, Sunglasses, Mustache, Smiling, Frowning, Chubby, \
    Curly Hair, Wavy Hair, Straight Hair, Receding Hairline, Bangs, Sideburns, Bushy Eyebrows, Arched Eyebrows, \
    Big Nose, Pointy Nose, Big Lips, Goatee, Round Jaw, Double Chin, Wearing Hat, Attractive Man, \
    Attractive Woman, Bags Under Eyes, Heavy Makeup, Rosy Cheeks, Wearing Lipstick, High Cheekbones, Brown Eyes, \
    Wearing Earrings, Wearing Necktie, Wearing Necklace";

/// CelebA's attributes that LFW has under other names: true where one of the former is present, or, of the
/// latter, where none is.
const AS_CELEBA: [(&str, &[&str], &[&str]); 4] = [
    ("attractive", &["attractive-man", "attractive-woman"], &[]),
    ("eyeglasses", &["eyeglasses", "sunglasses"], &[]),
    ("wavy-hair", &["wavy-hair", "curly-hair"], &[]),
    ("young", &[], &["middle-aged", "senior"]),
];

/// The schema of the attributes of LFW.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LfwSchema {
    /// The 73 published attributes.
    #[default]
    Lfw,
    /// CelebA's 40, so that a model of CelebA's photographs can be trained further: attributes of equal
    /// names, and `attractive`, `eyeglasses`, `wavy-hair` and `young` from those that they stand for.
    Celeba,
}

/// The attributes of images of LFW.
#[derive(Debug)]
pub(super) struct LfwAttributes {
    pub(super) schema: Schema,
    /// The line and the attributes of each image, by the stem of its name.
    by_stem: ByStem,
}

type ByStem = BTreeMap<String, (usize, Attributes)>;

impl LfwAttributes {
    /// Reads either table.
    ///
    /// # Errors
    /// If it has another form; the message names line and column.
    pub(super) fn read(file: &Path) -> Result<Self> {
        let text = text_file::read(file).map_err(|error| Error::file(file, error))?;
        let schema = Schema::new(names(NAMES).map(|name| Attribute::new(name, ["false", "true"])).collect())?;
        // The names of the samples end in an extension, those of people do not.
        let first =
            text.lines().find(|line| !line.trim().is_empty() && !line.starts_with('#')).unwrap_or_default();
        let sample =
            first.split('\t').next().is_some_and(|name| name.trim().to_lowercase().ends_with(".jpg"));
        let by_stem = if sample {
            let mapping = file.with_file_name("mapping.txt");
            let pairs = text_file::read(&mapping).map_err(|error| Error::file(&mapping, error))?;
            let pairs = mapped(&pairs).map_err(|reason| Error::file(&mapping, reason))?;
            samples(&text, &schema, &pairs)
        } else {
            scores(&text, &schema)
        };
        Ok(Self { schema, by_stem: by_stem.map_err(|reason| Error::file(file, reason))? })
    }

    /// The same attributes in a schema.
    pub(super) fn in_schema(self, schema: LfwSchema) -> Self {
        if schema == LfwSchema::Lfw {
            return self;
        }
        let celeba = celeba_schema();
        let translated = |attributes: &Attributes| {
            let value = |name: &str| self.schema.index(name).and_then(|place| attributes.value(place));
            Attributes::new(celeba.names().map(|name| as_celeba(name, value)).collect::<Vec<_>>())
        };
        let entry = |(name, (line, attributes)): (&String, &(usize, Attributes))| {
            (name.clone(), (*line, translated(attributes)))
        };
        let by_stem = self.by_stem.iter().map(entry).collect();
        Self { schema: celeba.clone(), by_stem }
    }

    /// The line and the attributes of an image.
    pub(super) fn of(&self, name: &str) -> Option<(usize, Attributes)> {
        self.by_stem.get(&stem(name)).cloned()
    }

    /// The stems of the names of images and their attributes, by name.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Attributes)> {
        self.by_stem.iter().map(|(name, (_, attributes))| (name.as_str(), attributes))
    }

    /// The number of images.
    pub(super) fn len(&self) -> usize {
        self.by_stem.len()
    }
}

/// An attribute of CelebA from the values of LFW's, by name; unknown if one that it depends on is.
fn as_celeba(name: &str, value: impl Fn(&str) -> Option<usize>) -> Observation {
    let same: &[&str] = &[name];
    let (any, none) = AS_CELEBA
        .iter()
        .find(|(other, ..)| *other == name)
        .map_or((same, &[][..]), |(_, any, none)| (*any, *none));
    let known = any.iter().chain(none).map(|name| value(name)).collect::<Option<Vec<_>>>();
    let Some(values) = known else { return Observation::Unknown };
    let present = values[..any.len()].contains(&1);
    let absent = !values[any.len()..].contains(&1);
    Observation::Value(u8::from(if none.is_empty() { present } else { absent }))
}

/// The names of a list in this project's spelling.
fn names(list: &str) -> impl Iterator<Item = String> {
    list.split(',').map(spelled)
}

/// The rows of `lfw_attributes.txt`.
fn scores(text: &str, schema: &Schema) -> std::result::Result<ByStem, String> {
    let mut columns: Vec<String> = NAMES.split(',').map(|name| name.trim().to_owned()).collect();
    let mut found = BTreeMap::new();
    for (line, text) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
        let fields: Vec<&str> = text.split('\t').map(str::trim).collect();
        if text.starts_with('#') {
            if let ["#", "person", "imagenum", names @ ..] = &fields[..] {
                columns = names.iter().map(|&name| name.to_owned()).collect();
            }
            continue;
        }
        let [person, number, scores @ ..] = &fields[..] else {
            return Err(format!(
                "line {line}: `{text}`, expected a name, a number and scores, separated by tabs"
            ));
        };
        let number: u32 = number.parse().map_err(|_| {
            format!("line {line}, column imagenum: `{number}`, expected the number of an image")
        })?;
        if scores.len() != columns.len() {
            return Err(format!("line {line}: {} scores, expected {}", scores.len(), columns.len()));
        }
        let mut observations = vec![Observation::Unknown; schema.len()];
        for (score, column) in scores.iter().zip(&columns) {
            let wrong = || format!("line {line}, column {column}: `{score}`, expected a number");
            let score: f64 = score.parse().map_err(|_| wrong())?;
            if let Some(place) = schema.index(&spelled(column)).filter(|_| !score.is_nan()) {
                observations[place] = Observation::Value((score > 0.0).into());
            }
        }
        let name = format!("{}_{number:04}", person.replace(' ', "_")).to_lowercase();
        found.insert(name, (line, Attributes::new(observations)));
    }
    if found.is_empty() { Err("no row with scores".into()) } else { Ok(found) }
}

/// The pairs of `mapping.txt`: `100f.jpg -> Some_Body_0001.bmp`.
fn mapped(text: &str) -> std::result::Result<HashMap<String, String>, String> {
    let pair = |(line, text): (usize, &str)| {
        let (sample, file) = text
            .split_once("->")
            .ok_or_else(|| format!("line {line}: `{text}`, expected a sample, `->` and a file of LFW"))?;
        Ok((stem(sample.trim()), stem(file.trim())))
    };
    (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()).map(pair).collect()
}

/// The rows of `lfw_sample_attributes.txt`, by the names of LFW and by those of the samples.
fn samples(
    text: &str,
    schema: &Schema,
    mapping: &HashMap<String, String>,
) -> std::result::Result<ByStem, String> {
    let sampled: Vec<usize> = names(SAMPLED).filter_map(|name| schema.index(&name)).collect();
    let mut found = BTreeMap::new();
    for (line, text) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
        let mut fields = text.split('\t').map(str::trim);
        let sample = stem(fields.next().unwrap_or_default());
        let mut observations = vec![Observation::Unknown; schema.len()];
        sampled.iter().for_each(|place| observations[*place] = Observation::Value(0));
        for name in fields.filter(|name| !name.is_empty()) {
            let (name, value) = if name == "Female" { ("Male", 0) } else { (name, 1) };
            let place = schema.index(&spelled(name));
            let place = place.ok_or_else(|| format!("line {line}: `{name}` is no attribute of LFW"))?;
            observations[place] = Observation::Value(value);
        }
        let attributes = Attributes::new(observations);
        if let Some(file) = mapping.get(&sample) {
            found.insert(file.clone(), (line, attributes.clone()));
        }
        found.insert(sample, (line, attributes));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(attributes: &LfwAttributes, image: &str, name: &str) -> Option<usize> {
        attributes.of(image).unwrap().1.value(attributes.schema.index(name).unwrap())
    }

    #[test]
    fn scores_above_zero_are_present() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("lfw_attributes.txt");
        let scores = |first: &str| format!("{first}\t{}", vec!["-0.5"; 72].join("\t"));
        let names = NAMES.split(',').map(str::trim).collect::<Vec<_>>().join("\t");
        let table = format!(
            "# table v1.2 2010-12-14\r\n#\tperson\timagenum\t{names}\r\nAda de la Ley\t1\t{}\r\nAda de la Ley\t12\t{}\r\n",
            scores("1.5e-1"),
            scores("-2")
        );
        std::fs::write(&file, &table).unwrap();
        let found = LfwAttributes::read(&file).unwrap();
        assert_eq!((found.schema.len(), found.len()), (73, 2));
        assert_eq!(value(&found, "Ada_de_la_Ley/Ada_de_la_Ley_0001.jpg", "male"), Some(1));
        assert_eq!(value(&found, "Ada_de_la_Ley_0012.bmp", "male"), Some(0));
        assert_eq!(value(&found, "ada_de_la_ley_0001", "5-o-clock-shadow"), Some(0));
        std::fs::write(&file, table.replace("1.5e-1", "much")).unwrap();
        let reason = LfwAttributes::read(&file).unwrap_err().to_string();
        assert!(reason.contains("line 3, column Male: `much`, expected a number"), "{reason}");
        std::fs::write(&file, "Ada\t1\t0.5\n").unwrap();
        assert!(
            LfwAttributes::read(&file).unwrap_err().to_string().contains("line 1: 1 scores, expected 73")
        );
    }

    #[test]
    fn attributes_are_translated_to_those_of_celeba() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("lfw_sample_attributes.txt");
        let rows = "1f.jpg \tFemale\tYouth\tCurly Hair\tSunglasses\tAttractive Woman\n2m.jpg \tMale\tSenior\tmustache\n";
        std::fs::write(&file, rows).unwrap();
        std::fs::write(folder.path().join("mapping.txt"), "1f.jpg -> Ada_Ley_0001.bmp\n").unwrap();
        let found = LfwAttributes::read(&file).unwrap().in_schema(LfwSchema::Celeba);
        assert_eq!((found.schema.len(), &found.schema), (40, celeba_schema()));
        let names = ["male", "young", "wavy-hair", "eyeglasses", "attractive", "mustache"];
        let of = |image: &str| names.map(|name| value(&found, image, name));
        assert_eq!(of("1f.jpg"), [Some(0), Some(1), Some(1), Some(1), Some(1), Some(0)]);
        assert_eq!(of("2m.jpg"), [Some(1), Some(0), Some(0), Some(0), Some(0), Some(1)]);
        assert_eq!(value(&found, "1f.jpg", "blurry"), None, "the table does not tell of it");
    }

    #[test]
    fn the_samples_have_the_attributes_that_they_name() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("lfw_sample_attributes.txt");
        std::fs::write(&file, "1f.jpg \tFemale\tWhite\tBlack Hair\n2m.jpg \tMale\tmustache\tchubby\n")
            .unwrap();
        std::fs::write(
            folder.path().join("mapping.txt"),
            "1f.jpg -> Ada_Ley_0001.bmp\n2m.jpg -> Bo_Li_0003.bmp\n",
        )
        .unwrap();
        let found = LfwAttributes::read(&file).unwrap();
        for image in ["Ada_Ley_0001.jpg", "1f.jpg"] {
            let of = |name| value(&found, image, name);
            assert_eq!(
                (of("male"), of("white"), of("black-hair"), of("bald")),
                (Some(0), Some(1), Some(1), Some(0))
            );
            assert_eq!(of("outdoor"), None, "the table does not tell of it");
        }
        assert_eq!(value(&found, "Bo_Li_0003.jpg", "mustache"), Some(1));
        std::fs::write(&file, "1f.jpg \tFemale\tGreen Hair\n").unwrap();
        let reason = LfwAttributes::read(&file).unwrap_err().to_string();
        assert!(reason.contains("line 1: `Green Hair` is no attribute of LFW"), "{reason}");
    }
}
