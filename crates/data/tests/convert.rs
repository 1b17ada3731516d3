//! Conversion between formats loses nothing: every pair of formats is written and read back.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::sync::Arc;

use t2f_data::procedural::{ProceduralFaces, Split};
use t2f_data::{
    Attributes, Cache, Caption, DataConfig, Dataset, FilesConfig, FolderConfig, Form, Image, ParquetConfig,
    Pixels, Splits, WebdatasetConfig, convert,
};

const FORMS: [Form; 5] = [
    Form::Folder,
    Form::Csv,
    Form::TextFiles,
    Form::Webdataset { shard_images: 3 },
    Form::Parquet { shard_images: 4 },
];

/// What a data set knows of an image, without its part and name.
#[derive(Debug, PartialEq)]
struct Known {
    captions: Vec<Caption>,
    attributes: Option<Attributes>,
    group: Option<String>,
    /// A hash of its file.
    bytes: u64,
}

type Parts = [(&'static str, Arc<dyn Dataset>); 4];

fn parts(splits: &Splits) -> Parts {
    let none: Arc<dyn Dataset> = Arc::new(t2f_data::Subset::new(splits.train.clone(), Vec::new()).unwrap());
    [
        ("train", splits.train.clone()),
        ("validation", splits.val.clone()),
        ("test", splits.test.clone()),
        ("test_comb", splits.test_comb.clone().unwrap_or(none)),
    ]
}

fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}

/// Everything that a data set knows, by part and name.
fn known(splits: &Splits) -> BTreeMap<(&'static str, String), Known> {
    let mut all = BTreeMap::new();
    for (part, dataset) in parts(splits) {
        for index in 0..dataset.len() {
            let known = Known {
                captions: dataset.captions(index).unwrap(),
                attributes: dataset.attributes(index),
                group: dataset.group(index).map(str::to_owned),
                bytes: hash(&dataset.encoded(&[index]).unwrap().expect("a file")[0]),
            };
            let name = dataset.file_name(index).expect("a name").to_owned();
            assert!(all.insert((part, name), known).is_none(), "a name occurs twice in {part}");
        }
    }
    all
}

fn write(splits: &Splits, folder: &Path, form: Form) {
    let parts = parts(splits);
    let parts: Vec<(&str, &dyn Dataset)> = parts
        .iter()
        .filter(|(_, part)| !part.is_empty())
        .map(|(name, part)| (*name, part.as_ref()))
        .collect();
    let mut steps = Vec::new();
    convert(&parts, folder, form, Pixels::Original, |done| steps.push(done)).unwrap();
    let all: usize = parts.iter().map(|(_, part)| part.len()).sum();
    assert_eq!(steps, (1..=all).collect::<Vec<_>>());
}

fn open(folder: &Path, form: Form) -> Splits {
    let (path, files) = (folder.to_path_buf(), FilesConfig { cache: Cache::Off, ..FilesConfig::default() });
    let config = match form {
        Form::Webdataset { .. } => {
            DataConfig::Webdataset(WebdatasetConfig { path, files, ..WebdatasetConfig::default() })
        }
        Form::Parquet { .. } => {
            DataConfig::Parquet(ParquetConfig { path, files, ..ParquetConfig::default() })
        }
        _ => DataConfig::Folder(FolderConfig { path, files, ..FolderConfig::default() }),
    };
    config.open(8).unwrap()
}

/// A folder with odd names, captions of several lines, claims, hidden attributes and groups in all parts.
fn source(folder: &Path) -> Splits {
    let schema = serde_json::json!([
        {"name": "hair", "values": ["black", "brown", "blond"]},
        {"name": "age", "values": ["7", "18 to 25"]},
    ]);
    std::fs::write(folder.join("schema.json"), schema.to_string()).unwrap();
    let names = ["a.b.png", "sub/c d.PNG", "José, 'x'.png", "a_b.png", "00012.png", "z/z.png", "p.jpg"];
    let mut shade = 0;
    for part in ["train", "validation", "test", "test_comb"] {
        let mut rows = String::new();
        for (number, name) in names.iter().enumerate() {
            shade += 5;
            let path = folder.join(part).join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, Image::filled(9, 8, [shade, 10, 200]).encode_png().unwrap()).unwrap();
            let mut row = serde_json::json!({
                "file_name": name,
                "captions": [format!("a man, \"{shade}\"\nwith; hair"), "second\ttext", "[third], 'it'"],
                "claims": [[], [{"attribute": "hair", "allowed": ["black", "brown"]}], []],
            });
            match number % 4 {
                0 => row["attributes"] = serde_json::json!({"hair": "brown", "age": "not-visible"}),
                1 => row["attributes"] = serde_json::json!({"age": "18 to 25"}),
                2 => row["attributes"] = serde_json::json!({}),
                _ => {}
            }
            if number % 3 > 0 {
                row["group"] = format!("person {part} {}", number % 3).into();
            }
            rows.push_str(&format!("{row}\n"));
        }
        std::fs::write(folder.join(part).join("metadata.jsonl"), rows).unwrap();
    }
    open(folder, Form::Folder)
}

#[test]
fn every_pair_of_formats_keeps_captions_claims_attributes_groups_parts_names_and_bytes() {
    let home = tempfile::tempdir().unwrap();
    let original = home.path().join("original");
    std::fs::create_dir(&original).unwrap();
    let source = source(&original);
    let expected = known(&source);
    assert_eq!(expected.len(), 28);
    assert!(expected.values().any(|known| known.captions[1].claims.len() == 1 && known.attributes.is_none()));
    for (at, first) in FORMS.into_iter().enumerate() {
        let there = home.path().join(format!("{at}"));
        write(&source, &there, first);
        let read = open(&there, first);
        assert_eq!(read.schema(), source.schema(), "{first:?}");
        assert_eq!(known(&read), expected, "{first:?}");
        for (other, second) in FORMS.into_iter().enumerate() {
            let back = home.path().join(format!("{at}-{other}"));
            write(&read, &back, second);
            assert_eq!(known(&open(&back, second)), expected, "{first:?} to {second:?}");
        }
    }
}

#[test]
fn images_without_captions_stay_so_in_every_format() {
    let home = tempfile::tempdir().unwrap();
    let original = home.path().join("original");
    std::fs::create_dir_all(original.join("sub")).unwrap();
    for (name, shade) in [("a.png", 1), ("sub/b.png", 2), ("sub/c.png", 3), ("d.png", 4)] {
        std::fs::write(original.join(name), Image::filled(8, 8, [shade; 3]).encode_png().unwrap()).unwrap();
    }
    let source = open(&original, Form::Folder);
    let expected = known(&source);
    assert!(expected.len() == 4 && !source.train.has_captions());
    for (at, form) in FORMS.into_iter().enumerate() {
        let there = home.path().join(format!("{at}"));
        // All in one part, since parts without images for training are drawn.
        let all: Vec<(&str, &dyn Dataset)> = vec![("train", source.train.as_ref())];
        convert(&all, &there, form, Pixels::Original, |_| {}).unwrap();
        let read = open(&there, form);
        assert!(!read.train.has_captions(), "{form:?}");
        assert_eq!(read.train.len(), source.train.len(), "{form:?}");
    }
}

#[test]
fn rendered_faces_are_converted_with_their_claims() {
    let home = tempfile::tempdir().unwrap();
    let faces = ProceduralFaces::new(Split::Train, 3, 5, 16);
    for (at, form) in FORMS.into_iter().enumerate() {
        let there = home.path().join(format!("{at}"));
        convert(&[("train", &faces)], &there, form, Pixels::Original, |_| {}).unwrap();
        let read = open(&there, form);
        assert_eq!(read.schema(), faces.schema());
        for index in 0..5 {
            assert_eq!(read.train.file_name(index), Some(format!("{index:06}.png").as_str()), "{form:?}");
            assert_eq!(read.train.captions(index).unwrap(), faces.captions(index).unwrap(), "{form:?}");
            assert_eq!(read.train.attributes(index), faces.attributes(index), "{form:?}");
        }
    }
}

#[test]
fn shards_have_so_many_images_and_nothing_is_overwritten() {
    let home = tempfile::tempdir().unwrap();
    let faces = ProceduralFaces::new(Split::Train, 3, 7, 8);
    let written =
        |form| convert(&[("train", &faces as &dyn Dataset)], home.path(), form, Pixels::Square, |_| {});
    let list = |folder: &str| -> Vec<String> {
        let entries = std::fs::read_dir(home.path().join(folder)).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    written(Form::Webdataset { shard_images: 3 }).unwrap();
    assert_eq!(list("train"), ["shard-00000.tar", "shard-00001.tar", "shard-00002.tar"]);
    written(Form::Parquet { shard_images: 4 }).unwrap();
    assert_eq!(list("data"), ["train-00000-of-00002.parquet", "train-00001-of-00002.parquet"]);
    for form in FORMS {
        let error = written(form).unwrap_err().to_string();
        assert!(error.contains("expected a new"), "{form:?}: {error}");
    }
    // No folder of a part that failed is left.
    assert_eq!(list("."), ["data", "schema.json", "train"]);
}

#[test]
fn a_failed_conversion_leaves_no_part() {
    struct Broken(ProceduralFaces);
    impl Dataset for Broken {
        fn len(&self) -> usize {
            self.0.len()
        }
        fn resolution(&self) -> usize {
            self.0.resolution()
        }
        fn image(&self, index: usize) -> t2f_data::Result<Image> {
            if index == 2 { self.0.image(100) } else { self.0.image(index) }
        }
        fn captions(&self, index: usize) -> t2f_data::Result<Vec<Caption>> {
            self.0.captions(index)
        }
    }
    let broken = Broken(ProceduralFaces::new(Split::Train, 3, 5, 8));
    for form in FORMS {
        let home = tempfile::tempdir().unwrap();
        assert!(convert(&[("train", &broken)], home.path(), form, Pixels::Square, |_| {}).is_err());
        assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0, "{form:?}");
    }
}
