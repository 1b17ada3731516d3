//! Images in the cells of a Parquet column.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::basic::Compression;
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{ByteArray, ByteArrayType};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};
use parquet::file::properties::ReaderProperties;
use parquet::file::reader::RowGroupReader;
use parquet::file::serialized_reader::SerializedRowGroupReader;

/// A column of encoded images in a Parquet file.
#[derive(Debug)]
pub(crate) struct Column {
    /// The file.
    pub(crate) file: PathBuf,
    metadata: ParquetMetaData,
    /// The position among the columns of values.
    leaf: usize,
    /// The definition level of a value that is there.
    present: i16,
}

/// The metadata of a Parquet file.
///
/// On failure, the reason, without the path.
pub(crate) fn metadata(file: &Path) -> Result<ParquetMetaData, String> {
    let opened = File::open(file).map_err(|error| error.to_string())?;
    let read = ParquetMetaDataReader::new().parse_and_finish(&opened);
    read.map_err(|error| format!("no Parquet file, or one that is cut off: {}", words(&error)))
}

/// The words of an error without the kind.
pub(crate) fn words(error: &ParquetError) -> String {
    match error {
        ParquetError::General(words) | ParquetError::NYI(words) | ParquetError::EOF(words) => words.clone(),
        other => other.to_string(),
    }
}

/// The reason why a compression cannot be read.
pub(crate) fn check_compression(compression: Compression) -> Result<(), String> {
    let name = match compression {
        Compression::ZSTD(_) => "Zstandard",
        Compression::LZO => "LZO",
        _ => return Ok(()),
    };
    Err(format!(
        "compressed with {name}, which is not read: expected none, Snappy, gzip, Brotli or LZ4; in Python, \
         `pyarrow.parquet.write_table(pyarrow.parquet.read_table(FILE), NEW, compression=\"snappy\", \
         row_group_size=100)` writes it again"
    ))
}

impl Column {
    /// The column of values at position `leaf`; its type is binary.
    pub(crate) fn new(file: PathBuf, metadata: ParquetMetaData, leaf: usize) -> Self {
        let present = metadata.file_metadata().schema_descr().column(leaf).max_def_level();
        Self { file, metadata, leaf, present }
    }

    /// The bytes in these rows of a row group, which ascend.
    pub(crate) fn read(&self, group: usize, rows: &[usize]) -> Vec<Result<Vec<u8>, String>> {
        let mut found = Vec::with_capacity(rows.len());
        if let Err(reason) = self.gather(group, rows, &mut found) {
            found.resize(rows.len(), Err(reason));
        }
        found
    }

    fn gather(
        &self,
        group: usize,
        rows: &[usize],
        found: &mut Vec<Result<Vec<u8>, String>>,
    ) -> Result<(), String> {
        let file = File::open(&self.file).map_err(|error| error.to_string())?;
        let mut column = self.reader(file, group).map_err(|error| words(&error))?;
        let mut at = 0;
        for &row in rows {
            let skipped = column.skip_records(row - at).map_err(|error| words(&error))?;
            let (mut values, mut levels) = (Vec::<ByteArray>::new(), Vec::new());
            let read = column.read_records(1, Some(&mut levels), None, &mut values);
            let (records, ..) = read.map_err(|error| words(&error))?;
            if skipped != row - at || records != 1 {
                return Err(format!("row group {group} ends before row {row}"));
            }
            at = row + 1;
            found.push(match values.first() {
                Some(bytes) if levels.first().is_none_or(|level| *level == self.present) => {
                    Ok(bytes.data().to_vec())
                }
                _ => Err("no image: the cell is null".into()),
            });
        }
        Ok(())
    }

    fn reader(&self, file: File, group: usize) -> Result<ColumnReaderImpl<ByteArrayType>, ParquetError> {
        let known = self.metadata.row_group(group);
        let pages = self.metadata.page_index_for_row_group(group);
        let properties = Arc::new(ReaderProperties::builder().build());
        let rows = SerializedRowGroupReader::new(Arc::new(file), known, pages, properties)?;
        match rows.get_column_reader(self.leaf)? {
            ColumnReader::ByteArrayColumnReader(column) => Ok(column),
            _ => Err(ParquetError::General("the column of images is not binary".into())),
        }
    }
}
