//! The images of a data set in order, with all that it knows of them, a few at a time.

use std::collections::BTreeMap;

use rayon::prelude::*;
use serde::Serialize;
use serde_json::Value;

use super::names::Names;
use crate::dataset::Dataset;
use crate::error::Result;

/// The images in memory at a time.
const CHUNK: usize = 64;

/// The bytes of the images of a conversion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pixels {
    /// The files as they are, where the data set has files; otherwise as for `Square`.
    Original,
    /// PNG files of the squares of the data set's resolution.
    Square,
}

/// An image and all that its data set knows of it, in the form of files.
#[derive(Debug, Serialize)]
pub(crate) struct Item {
    pub(crate) file_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) captions: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) claims: Option<Vec<Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) attributes: Option<BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) group: Option<String>,
    #[serde(skip)]
    pub(crate) bytes: Vec<u8>,
}

/// Passes every image of a data set to `each`, in order.
pub(crate) fn for_each(
    dataset: &dyn Dataset,
    pixels: Pixels,
    mut each: impl FnMut(Item) -> Result<()>,
) -> Result<()> {
    let mut names = Names::default();
    let all: Vec<usize> = (0..dataset.len()).collect();
    for indices in all.chunks(CHUNK) {
        let original = match pixels {
            Pixels::Original => dataset.encoded(indices)?,
            Pixels::Square => None,
        };
        let kept = original.is_some();
        let png = |index: &usize| dataset.image(*index)?.encode_png();
        let bytes = match original {
            Some(bytes) => bytes,
            None => indices.par_iter().map(png).collect::<Result<Vec<Vec<u8>>>>()?,
        };
        for (&index, bytes) in indices.iter().zip(bytes) {
            let number = format!("{index:06}");
            let name = dataset.file_name(index).unwrap_or(&number);
            let content = image::guess_format(&bytes).ok().and_then(|form| form.extensions_str().first());
            let ending = if kept { None } else { Some("png") };
            let file_name = names.image(name, ending, content.copied().unwrap_or("jpg"));
            each(item(dataset, index, file_name, bytes)?)?;
        }
    }
    Ok(())
}

fn item(dataset: &dyn Dataset, index: usize, file_name: String, bytes: Vec<u8>) -> Result<Item> {
    let schema = dataset.schema();
    let (mut captions, mut claims) = (None, None);
    if dataset.has_captions() {
        let described = dataset.captions(index)?;
        let stated = described.iter().map(|caption| caption.claims.to_json(schema)).collect::<Result<_>>()?;
        claims = Some(stated);
        captions = Some(described.into_iter().map(|caption| caption.text).collect());
    }
    let attributes = dataset.attributes(index).map(|attributes| attributes.to_names(schema)).transpose()?;
    let group = dataset.group(index).map(str::to_owned);
    Ok(Item { file_name, captions, claims, attributes, group, bytes })
}
