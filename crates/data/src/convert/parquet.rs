//! Parquet files in the layout of Hugging Face's `datasets`: a struct of `bytes` and `path`, a list of
//! captions, and JSON for claims and attributes.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::basic::Compression;
use parquet::data_type::{ByteArray, ByteArrayType};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use serde_json::json;

use super::items::Item;
use super::writer::Writer;
use crate::dataset::Dataset;
use crate::error::{Error, Result};

/// The images of a row group, as `datasets` writes them: one image is read without many others.
const GROUP: usize = 100;

/// The columns beside the image.
#[derive(Clone, Copy, Debug)]
struct Columns {
    captions: bool,
    labels: bool,
    group: bool,
}

/// Writes Parquet files of a fixed number of images.
pub(crate) struct ParquetWriter {
    folder: PathBuf,
    part: String,
    shard_images: usize,
    files: usize,
    columns: Columns,
    /// The file that is written, and its images.
    file: Option<(PathBuf, SerializedFileWriter<File>, usize)>,
    number: usize,
    rows: Vec<Item>,
}

impl ParquetWriter {
    pub(crate) fn new(folder: &Path, part: &str, shard_images: usize, dataset: &dyn Dataset) -> Result<Self> {
        let shard_images = shard_images.max(1);
        let columns = Columns {
            captions: dataset.has_captions(),
            labels: !dataset.schema().is_empty(),
            group: (0..dataset.len()).any(|index| dataset.group(index).is_some()),
        };
        let mut writer = Self {
            folder: folder.into(),
            part: part.into(),
            shard_images,
            files: dataset.len().div_ceil(shard_images).max(1),
            columns,
            file: None,
            number: 0,
            rows: Vec::with_capacity(GROUP),
        };
        writer.open()?;
        Ok(writer)
    }

    fn open(&mut self) -> Result<()> {
        let path = self.folder.join(format!("{}-{:05}-of-{:05}.parquet", self.part, self.number, self.files));
        self.number += 1;
        let open = || -> std::result::Result<SerializedFileWriter<File>, ParquetError> {
            let schema = Arc::new(parse_message_type(&self.columns.message())?);
            let metadata = vec![KeyValue::new("huggingface".into(), self.columns.features())];
            let properties = WriterProperties::builder()
                .set_compression(Compression::UNCOMPRESSED)
                .set_dictionary_enabled(false)
                .set_key_value_metadata(Some(metadata))
                .build();
            SerializedFileWriter::new(File::create_new(&path)?, schema, Arc::new(properties))
        };
        let writer = open().map_err(|error| Error::file(&path, error))?;
        self.file = Some((path, writer, 0));
        Ok(())
    }

    /// Writes the rows so far as a row group.
    fn write_group(&mut self) -> Result<()> {
        let rows = std::mem::take(&mut self.rows);
        let Some((path, writer, images)) = self.file.as_mut().filter(|_| !rows.is_empty()) else {
            return Ok(());
        };
        *images += rows.len();
        let columns = self.columns;
        let mut write = || -> std::result::Result<(), ParquetError> {
            let mut group = writer.next_row_group()?;
            columns.write(&mut group, &rows)?;
            group.close()?;
            Ok(())
        };
        write().map_err(|error| Error::file(&*path, error))
    }

    fn close(&mut self) -> Result<()> {
        self.write_group()?;
        let Some((path, writer, _)) = self.file.take() else { return Ok(()) };
        let close = || -> std::result::Result<(), ParquetError> { Ok(writer.into_inner()?.sync_all()?) };
        close().map_err(|error| Error::file(path, error))
    }
}

impl Writer for ParquetWriter {
    fn add(&mut self, item: Item) -> Result<()> {
        let written = self.file.as_ref().map_or(0, |(.., images)| *images);
        if written + self.rows.len() == self.shard_images {
            self.close()?;
            self.open()?;
        } else if self.rows.len() == GROUP {
            self.write_group()?;
        }
        self.rows.push(item);
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        self.close()
    }
}

impl Columns {
    /// The schema of the file.
    fn message(self) -> String {
        let mut message = String::from(
            "message schema { optional group image { optional binary bytes; optional binary path (STRING); }",
        );
        if self.captions {
            message.push_str(
                " optional group captions (LIST) { repeated group list { optional binary element (STRING); } }",
            );
        }
        for name in self.texts() {
            message.push_str(&format!(" optional binary {name} (STRING);"));
        }
        message + " }"
    }

    /// The columns of text, in order.
    fn texts(self) -> Vec<&'static str> {
        let claims = (self.labels && self.captions).then_some("claims");
        let labels = self.labels.then_some("attributes");
        [claims, labels, self.group.then_some("group")].into_iter().flatten().collect()
    }

    /// The features of `datasets`.
    fn features(self) -> String {
        let text = json!({"dtype": "string", "_type": "Value"});
        let mut features = json!({"image": {"_type": "Image"}});
        if self.captions {
            features["captions"] = json!({"feature": text, "_type": "List"});
        }
        for name in self.texts() {
            features[name] = text.clone();
        }
        json!({"info": {"features": features}}).to_string()
    }

    fn write(
        self,
        group: &mut SerializedRowGroupWriter<'_, File>,
        rows: &[Item],
    ) -> std::result::Result<(), ParquetError> {
        let all = vec![2; rows.len()];
        write_column(group, &rows.iter().map(|row| row.bytes.as_slice()).collect::<Vec<_>>(), &all, None)?;
        write_column(
            group,
            &rows.iter().map(|row| row.file_name.as_bytes()).collect::<Vec<_>>(),
            &all,
            None,
        )?;
        if self.captions {
            let (mut texts, mut levels, mut repeats) = (Vec::new(), Vec::new(), Vec::new());
            for row in rows {
                let captions = row.captions.as_deref().unwrap_or_default();
                if captions.is_empty() {
                    // An empty list has one level and no value.
                    levels.push(1);
                    repeats.push(0);
                }
                for (at, caption) in captions.iter().enumerate() {
                    texts.push(caption.as_bytes());
                    levels.push(3);
                    repeats.push(i16::from(at > 0));
                }
            }
            write_column(group, &texts, &levels, Some(&repeats))?;
        }
        for name in self.texts() {
            let cell = |row: &Item| match name {
                "claims" => row.claims.as_ref().map(|claims| serde_json::json!(claims).to_string()),
                "attributes" => row.attributes.as_ref().map(|names| serde_json::json!(names).to_string()),
                _ => row.group.clone(),
            };
            let cells: Vec<Option<String>> = rows.iter().map(cell).collect();
            let levels: Vec<i16> = cells.iter().map(|cell| i16::from(cell.is_some())).collect();
            let texts: Vec<&[u8]> = cells.iter().flatten().map(String::as_bytes).collect();
            write_column(group, &texts, &levels, None)?;
        }
        Ok(())
    }
}

/// Writes the next column of a row group.
fn write_column(
    group: &mut SerializedRowGroupWriter<'_, File>,
    values: &[&[u8]],
    levels: &[i16],
    repeats: Option<&[i16]>,
) -> std::result::Result<(), ParquetError> {
    let Some(mut column) = group.next_column()? else {
        return Err(ParquetError::General("the schema has fewer columns".into()));
    };
    let values: Vec<ByteArray> = values.iter().map(|bytes| ByteArray::from(bytes.to_vec())).collect();
    column.typed::<ByteArrayType>().write_batch(&values, Some(levels), repeats)?;
    column.close()
}
