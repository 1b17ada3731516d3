//! Statistics in long form: one value in a row, as CSV and as Parquet.

use std::sync::Arc;

use parquet::basic::Compression;
use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use t2f_pictures::curves::StatsRow;

use crate::error::{Error, Result};
use crate::run::Run;

/// The names of the columns.
pub(crate) const COLUMNS: [&str; 7] = ["run", "step", "kimg", "level", "alpha", "name", "value"];

/// The schema of the Parquet file.
const SCHEMA: &str = "message schema {
    required binary run (STRING);
    optional int64 step;
    optional double kimg;
    optional int64 level;
    optional double alpha;
    required binary name (STRING);
    required double value;
}";

/// The keys of a row that are columns.
const OF_ROW: [&str; 4] = ["step", "Progress/kimg", "Progress/level", "Progress/alpha"];

/// A row of the long form.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Value {
    pub(crate) run: String,
    pub(crate) step: Option<i64>,
    pub(crate) kimg: Option<f64>,
    pub(crate) level: Option<i64>,
    pub(crate) alpha: Option<f64>,
    pub(crate) name: String,
    pub(crate) value: f64,
}

/// All statistics of runs, row by row and in the order of names.
pub(crate) fn statistics(runs: &[Run]) -> Vec<Value> {
    let of_run = |run: &Run| run.rows().iter().flat_map(|row| of_row(&run.name, row)).collect::<Vec<_>>();
    runs.iter().flat_map(of_run).collect()
}

fn of_row(run: &str, row: &StatsRow) -> Vec<Value> {
    let number = |key: &str| row.get(key).copied();
    let names = row.iter().filter(|(key, _)| !OF_ROW.contains(&key.as_str()));
    let value = |(name, value): (&String, &f64)| Value {
        run: run.into(),
        step: number("step").map(|step| step as i64),
        kimg: number("Progress/kimg"),
        level: number("Progress/level").map(|level| level as i64),
        alpha: number("Progress/alpha"),
        name: name.clone(),
        value: *value,
    };
    names.map(value).collect()
}

/// The metrics during the runs, then the measurements of `t2f metrics` with the ends of their intervals.
pub(crate) fn metrics(runs: &[Run]) -> Vec<Value> {
    let mut values = Vec::new();
    for run in runs {
        let during = run.rows().iter().flat_map(|row| of_row(&run.name, row));
        values.extend(during.filter(|value| value.name.starts_with("Metrics/")));
        for it in &run.measurements {
            let numbers = [("", Some(it.value)), ("/low", it.low), ("/high", it.high)];
            values.extend(numbers.into_iter().filter_map(|(end, number)| {
                Some(Value {
                    run: run.name.clone(),
                    step: None,
                    kimg: Some(it.kimg),
                    level: None,
                    alpha: None,
                    name: format!("{}/{}{end}", it.split, it.metric),
                    value: number?,
                })
            }));
        }
    }
    values
}

/// The names of runs as CSV with a heading, in their order.
///
/// # Errors
/// If a name cannot be encoded.
pub(crate) fn names(runs: &[Run]) -> Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let rows = std::iter::once("run").chain(runs.iter().map(|run| run.name.as_str()));
    for row in rows {
        writer.write_record([row]).map_err(|error| Error::encoding("runs.csv", error))?;
    }
    writer.into_inner().map_err(|error| Error::encoding("runs.csv", error))
}

/// The values as CSV with a heading; an absent number is empty.
///
/// # Errors
/// If a row cannot be encoded.
pub(crate) fn csv(values: &[Value]) -> Result<Vec<u8>> {
    let failed = |error: &dyn std::fmt::Display| Error::encoding("the CSV file", error);
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(COLUMNS).map_err(|error| failed(&error))?;
    let text = |number: Option<f64>| number.map(|number| number.to_string()).unwrap_or_default();
    let whole = |number: Option<i64>| number.map(|number| number.to_string()).unwrap_or_default();
    for value in values {
        let record = [
            value.run.clone(),
            whole(value.step),
            text(value.kimg),
            whole(value.level),
            text(value.alpha),
            value.name.clone(),
            value.value.to_string(),
        ];
        writer.write_record(record).map_err(|error| failed(&error))?;
    }
    writer.into_inner().map_err(|error| failed(&error))
}

/// The values as Parquet.
///
/// # Errors
/// If a column cannot be encoded.
pub(crate) fn parquet(values: &[Value]) -> Result<Vec<u8>> {
    encode(values).map_err(|error| Error::encoding("the Parquet file", error))
}

fn encode(values: &[Value]) -> std::result::Result<Vec<u8>, ParquetError> {
    let schema = Arc::new(parse_message_type(SCHEMA)?);
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    let mut bytes = Vec::new();
    let mut writer = SerializedFileWriter::new(&mut bytes, schema, Arc::new(properties))?;
    let mut group = writer.next_row_group()?;
    let text = |of: fn(&Value) -> &String| -> Vec<Option<ByteArray>> {
        values.iter().map(|value| Some(ByteArray::from(of(value).as_bytes().to_vec()))).collect()
    };
    let number = |of: fn(&Value) -> Option<f64>| values.iter().map(of).collect::<Vec<_>>();
    let whole = |of: fn(&Value) -> Option<i64>| values.iter().map(of).collect::<Vec<_>>();
    column::<ByteArrayType>(&mut group, text(|value| &value.run), false)?;
    column::<Int64Type>(&mut group, whole(|value| value.step), true)?;
    column::<DoubleType>(&mut group, number(|value| value.kimg), true)?;
    column::<Int64Type>(&mut group, whole(|value| value.level), true)?;
    column::<DoubleType>(&mut group, number(|value| value.alpha), true)?;
    column::<ByteArrayType>(&mut group, text(|value| &value.name), false)?;
    column::<DoubleType>(&mut group, number(|value| Some(value.value)), false)?;
    group.close()?;
    writer.close()?;
    Ok(bytes)
}

/// Writes the next column of a row group.
fn column<T: DataType>(
    group: &mut SerializedRowGroupWriter<'_, &mut Vec<u8>>,
    cells: Vec<Option<T::T>>,
    optional: bool,
) -> std::result::Result<(), ParquetError> {
    let Some(mut column) = group.next_column()? else {
        return Err(ParquetError::General("the schema has fewer columns".into()));
    };
    let levels: Option<Vec<i16>> =
        optional.then(|| cells.iter().map(|cell| i16::from(cell.is_some())).collect());
    let values: Vec<T::T> = cells.into_iter().flatten().collect();
    column.typed::<T>().write_batch(&values, levels.as_deref(), None)?;
    column.close()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::Field;

    use super::*;

    fn values() -> Vec<Value> {
        let row = |pairs: &[(&str, f64)]| -> StatsRow {
            pairs.iter().map(|(key, value)| ((*key).to_owned(), *value)).collect()
        };
        let tick =
            [("step", 2.0), ("Progress/kimg", 0.032), ("Progress/level", 1.0), ("Progress/alpha", 0.5)];
        let tick = [&tick[..], &[("Loss/D/total", 0.1), ("Loss/G/total", -3.5e-8)]].concat();
        let metric = [("step", 2.0), ("Progress/kimg", 0.032), ("Metrics/aan", 0.25)];
        [row(&tick), row(&metric)].iter().flat_map(|row| of_row("a,b", row)).collect()
    }

    #[test]
    fn csv_and_parquet_have_the_same_rows() {
        let values = values();
        assert_eq!(values.len(), 3);
        let bytes = csv(&values).unwrap();
        let mut reader = csv::Reader::from_reader(bytes.as_slice());
        assert_eq!(reader.headers().unwrap().iter().collect::<Vec<_>>(), COLUMNS);
        let rows: Vec<csv::StringRecord> = reader.records().map(|row| row.unwrap()).collect();
        assert_eq!(
            rows[0].iter().collect::<Vec<_>>(),
            ["a,b", "2", "0.032", "1", "0.5", "Loss/D/total", "0.1"]
        );
        assert_eq!(&rows[2][3], "");
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&parquet(&values).unwrap()).unwrap();
        let file = SerializedFileReader::new(file).unwrap();
        let read: Vec<Vec<Field>> = file
            .get_row_iter(None)
            .unwrap()
            .map(|row| row.unwrap().get_column_iter().map(|(_, field)| field.clone()).collect())
            .collect();
        assert_eq!(read.len(), 3);
        for (fields, row) in read.iter().zip(&rows) {
            let texts: Vec<String> = fields
                .iter()
                .map(|field| match field {
                    Field::Null => String::new(),
                    Field::Str(text) => text.clone(),
                    Field::Long(number) => number.to_string(),
                    Field::Double(number) => number.to_string(),
                    other => panic!("{other:?}"),
                })
                .collect();
            assert_eq!(texts, row.iter().collect::<Vec<_>>());
        }
    }

    #[test]
    fn two_encodings_are_identical() {
        assert_eq!(parquet(&values()).unwrap(), parquet(&values()).unwrap());
        assert!(!parquet(&[]).unwrap().is_empty());
    }
}
