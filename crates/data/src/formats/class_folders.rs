//! Images without metadata and without texts: the folder of an image is its label, as Hugging Face's
//! `datasets` reads it, or the images have no captions.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::columns::{Named, Row, Source, label_text};
use super::file_index::FileIndex;
use super::labels::RawLabels;
use super::split_names::part_in_name;
use crate::attributes::MOST_VALUES;
use crate::notes::Notes;

/// Folders of so many digits or more are shards.
const SHARD: usize = 4;

/// The images of a folder, with their labels where there are any.
///
/// Labels are the names of the folders of images, if all images are equally deep and there are from 2 to 255
/// names; more names are people, whose images belong together.
pub(crate) fn read(index: &FileIndex, named: Named<'_>, notes: &mut Notes) -> Source {
    let names: Vec<String> = index.images().into_iter().map(|path| index.relative(path)).collect();
    let labels: BTreeSet<&str> = names.iter().filter_map(|name| label(name)).collect();
    let depths: BTreeSet<usize> = names.iter().map(|name| name.matches('/').count()).collect();
    let all = names.iter().all(|name| label(name).is_some());
    let labelled = labels.len() > 1 && depths.len() == 1 && all;
    let few = labels.len() <= MOST_VALUES;
    if labelled && few {
        notes.add(
            format!("labels: the names of {} folders, with which images are described", labels.len()),
            String::new(),
        );
    } else {
        notes.add(
            "no captions: there is neither a metadata file nor a text file of an image".into(),
            String::new(),
        );
    }
    if labelled && !few {
        notes.add(format!("groups: the names of {} folders", labels.len()), String::new());
    }
    let row = |name: &String| {
        let mut row = Row::of_image(name.clone());
        match label(name).filter(|_| labelled) {
            Some(label) if few => {
                row.texts = vec![label_text(label)];
                if named.attributes {
                    row.labels = RawLabels::read(&cells(label), 1, "", notes);
                }
            }
            Some(person) => row.group = Some(person.to_lowercase()),
            None => {}
        }
        row
    };
    let rows = names.iter().map(row).collect();
    Source { folder: index.root().into(), file: index.root().into(), part: None, rows }
}

/// The label of an image with its claim, in the form of a row.
fn cells(label: &str) -> Map<String, Value> {
    let row =
        json!({"attributes": {"label": label}, "claims": [[{"attribute": "label", "allowed": [label]}]]});
    match row {
        Value::Object(cells) => cells,
        _ => Map::new(),
    }
}

/// The name of the folder of an image, unless it names a part or is a shard.
fn label(path: &str) -> Option<&str> {
    let folder = path.rsplit_once('/')?.0.rsplit('/').next()?;
    let shard = folder.len() >= SHARD && folder.bytes().all(|byte| byte.is_ascii_digit());
    (!shard && part_in_name(folder).is_none() && !label_text(folder).is_empty()).then_some(folder)
}
