//! One Parquet file: its column of images, and its other columns as rows.

use std::collections::HashMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use parquet::basic::{ConvertedType, LogicalType, Type as PhysicalType};
use parquet::errors::ParquetError;
use parquet::file::metadata::ParquetMetaData;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::reader::RowIter;
use parquet::record::{Field, Row};
use parquet::schema::types::{Type, TypePtr};
use serde_json::{Map, Number, Value};

use super::super::rows::{Cells, folded};
use crate::location::cells::{Column, check_compression, metadata, words};

/// The names of a column of images, the preferred one first.
const IMAGES: [&str; 10] =
    ["image", "img", "jpg", "png", "image_bytes", "img_bytes", "picture", "photo", "bytes", "content"];

/// The most rows of a row group: each is an image.
const MOST_ROWS: i64 = 100_000_000;

/// A Parquet file before its rows are read as captions and labels.
#[derive(Debug)]
pub(crate) struct Table {
    /// The rows of each row group.
    pub(crate) groups: Vec<Group>,
    /// The column of encoded images; without one the images are files that a column names.
    pub(crate) column: Option<Arc<Column>>,
    /// The name of the column of images, and those of others that are left.
    pub(crate) image: Option<(String, Vec<String>)>,
}

/// A row group.
#[derive(Debug)]
pub(crate) struct Group {
    /// The cells of its rows; the image is its path.
    pub(crate) rows: Vec<Cells>,
    /// Whether no row has the bytes of an image.
    pub(crate) empty: bool,
}

/// The columns of a file.
struct Layout {
    /// The column of images.
    image: Option<TypePtr>,
    /// Other columns that may hold images.
    others: Vec<String>,
    /// All columns but those of bytes.
    projection: Vec<TypePtr>,
}

/// Reads a file. `named` is the column of images in the configuration.
///
/// On failure, the reason, without the path.
pub(crate) fn read(file: &Path, named: Option<&str>) -> Result<Table, String> {
    let metadata = metadata(file)?;
    for (at, group) in metadata.row_groups().iter().enumerate() {
        if !(0..=MOST_ROWS).contains(&group.num_rows()) {
            return Err(format!(
                "row group {at} has {} rows, expected at most {MOST_ROWS}",
                group.num_rows()
            ));
        }
    }
    let layout = Layout::of(&metadata, named)?;
    let leaf = layout.image.as_ref().map(|image| leaf(&metadata, image)).transpose()?;
    let classes = classes(&metadata);
    let compressions = metadata.row_groups().iter().flat_map(|group| group.columns());
    compressions.map(|column| column.compression()).try_for_each(check_compression)?;
    let nulls = |group: usize| {
        let column = metadata.row_group(group).column(leaf?);
        Some((column.statistics()?.null_count_opt()?, metadata.row_group(group).num_rows()))
    };
    let nulls: Vec<_> = (0..metadata.num_row_groups()).map(nulls).collect();
    let mut rows = read_rows(file, &layout, &classes).map_err(|error| words(&error))?;
    let column = leaf.map(|leaf| Arc::new(Column::new(file.into(), metadata, leaf)));
    let groups = rows.drain(..).enumerate().map(|(at, rows)| {
        let empty = match (&column, nulls[at]) {
            (None, _) => true,
            (_, Some((nulls, all))) => nulls == all as u64,
            // Without statistics the first row tells.
            (Some(column), None) => column.read(at, &[0]).iter().all(Result::is_err),
        };
        Group { rows, empty }
    });
    let groups = groups.collect();
    let image = layout.image.map(|image| (image.name().to_owned(), layout.others));
    Ok(Table { groups, column, image })
}

impl Layout {
    fn of(metadata: &ParquetMetaData, named: Option<&str>) -> Result<Self, String> {
        let fields = metadata.file_metadata().schema_descr().root_schema().get_fields();
        let mut found: Vec<&TypePtr> = fields.iter().filter(|field| holds_images(field)).collect();
        let place = |field: &TypePtr| {
            let name = folded(field.name());
            // A struct of bytes and path is an image in any case.
            let known = IMAGES.iter().position(|known| *known == name).unwrap_or(IMAGES.len());
            (field.is_primitive(), known)
        };
        found.sort_by_key(|field| place(field));
        let image = match named {
            Some(named) => {
                let called = |field: &&TypePtr| folded(field.name()) == folded(named);
                if !fields.iter().any(|field| called(&field)) {
                    let names: Vec<&str> = fields.iter().map(|field| field.name()).collect();
                    return Err(format!("no column `{named}`, the columns are [{}]", names.join(", ")));
                }
                found.iter().copied().find(called)
            }
            None => found.first().copied(),
        };
        let others = found.iter().filter(|field| Some(**field) != image);
        let others = others.map(|field| field.name().to_owned()).collect();
        let projection = fields.iter().filter_map(without_bytes).collect();
        Ok(Self { image: image.cloned(), others, projection })
    }
}

/// Whether a column is a struct of bytes and path, as Hugging Face's `datasets` writes images, or binary.
fn holds_images(field: &TypePtr) -> bool {
    match field.as_ref() {
        Type::PrimitiveType { .. } => is_binary(field),
        Type::GroupType { fields, .. } => bytes_of(fields).is_some(),
    }
}

fn bytes_of(fields: &[TypePtr]) -> Option<&TypePtr> {
    fields.iter().find(|field| field.name() == "bytes" && field.is_primitive() && is_binary(field))
}

/// Whether a column holds bytes that are no text.
fn is_binary(field: &TypePtr) -> bool {
    let info = field.get_basic_info();
    let text = matches!(
        info.converted_type(),
        ConvertedType::UTF8 | ConvertedType::ENUM | ConvertedType::JSON | ConvertedType::DECIMAL
    ) || matches!(
        info.logical_type_ref(),
        Some(LogicalType::String | LogicalType::Enum | LogicalType::Json | LogicalType::Decimal { .. })
    );
    field.is_primitive()
        && field.get_physical_type() == PhysicalType::BYTE_ARRAY
        && !text
        && info.has_repetition()
        && info.repetition() != parquet::basic::Repetition::REPEATED
}

/// A column without the bytes of images; `None` if nothing is left.
fn without_bytes(field: &TypePtr) -> Option<TypePtr> {
    let Type::GroupType { basic_info, fields, .. } = field.as_ref() else {
        return (!is_binary(field)).then(|| field.clone());
    };
    if bytes_of(fields).is_none() {
        return Some(field.clone());
    }
    let path = fields.iter().find(|field| field.name() == "path" && field.is_primitive())?;
    let group = Type::group_type_builder(field.name())
        .with_repetition(basic_info.repetition())
        .with_fields(vec![path.clone()]);
    group.build().ok().map(Arc::new)
}

/// The position of the bytes of an image among the columns of values.
fn leaf(metadata: &ParquetMetaData, image: &TypePtr) -> Result<usize, String> {
    let wanted: &[&str] = if image.is_primitive() { &[image.name()] } else { &[image.name(), "bytes"] };
    let columns = metadata.file_metadata().schema_descr().columns();
    let place = columns.iter().position(|column| column.path().parts() == wanted);
    place.ok_or_else(|| format!("no values of the column `{}`", image.name()))
}

/// The names of the values of each column of class labels, from the features of `datasets`.
fn classes(metadata: &ParquetMetaData) -> HashMap<String, Vec<String>> {
    let entries = metadata.file_metadata().key_value_metadata();
    let text = entries.into_iter().flatten().find(|entry| entry.key == "huggingface");
    let features = text.and_then(|entry| serde_json::from_str::<Value>(entry.value.as_deref()?).ok());
    let features = features.as_ref().and_then(|features| features.pointer("/info/features")?.as_object());
    let labels = |(name, feature): (&String, &Value)| {
        let names = feature.get("names").filter(|_| feature["_type"] == "ClassLabel")?.as_array()?;
        let names: Option<Vec<String>> = names.iter().map(|name| Some(name.as_str()?.to_owned())).collect();
        Some((name.clone(), names?))
    };
    features.into_iter().flatten().filter_map(labels).collect()
}

/// The rows of every row group.
fn read_rows(
    file: &Path,
    layout: &Layout,
    classes: &HashMap<String, Vec<String>>,
) -> Result<Vec<Vec<Cells>>, ParquetError> {
    let reader = SerializedFileReader::new(File::open(file)?)?;
    let root = reader.metadata().file_metadata().schema_descr().root_schema().name().to_owned();
    let projection = Type::group_type_builder(&root).with_fields(layout.projection.clone()).build()?;
    let mut groups = Vec::with_capacity(reader.num_row_groups());
    for group in 0..reader.num_row_groups() {
        let group = reader.get_row_group(group)?;
        if layout.projection.is_empty() {
            groups.push(vec![Cells::new(); group.metadata().num_rows() as usize]);
            continue;
        }
        let rows = RowIter::from_row_group(Some(projection.clone()), group.as_ref())?;
        groups.push(rows.map(|row| Ok(cells(row?, classes))).collect::<Result<_, ParquetError>>()?);
    }
    Ok(groups)
}

/// A row with folded names, and with the names of class labels instead of their numbers.
fn cells(row: Row, classes: &HashMap<String, Vec<String>>) -> Cells {
    let mut cells = Cells::new();
    for (name, field) in row.into_columns() {
        let mut cell = value(field);
        if let Some(names) = classes.get(&name) {
            let label = cell.as_u64().and_then(|label| names.get(usize::try_from(label).ok()?));
            cell = label.map_or(Value::Null, |label| Value::from(label.as_str()));
        }
        cells.entry(folded(&name)).or_insert(cell);
    }
    cells
}

/// The JSON of a value.
fn value(field: Field) -> Value {
    // The shortest decimal of a number of 32 bits is the one that was written.
    let number =
        |text: String| text.parse().ok().and_then(Number::from_f64).map_or(Value::Null, Value::Number);
    match field {
        Field::Null => Value::Null,
        Field::Bool(value) => value.into(),
        Field::Byte(value) => value.into(),
        Field::Short(value) => value.into(),
        Field::Int(value) => value.into(),
        Field::Long(value) => value.into(),
        Field::UByte(value) => value.into(),
        Field::UShort(value) => value.into(),
        Field::UInt(value) => value.into(),
        Field::ULong(value) => value.into(),
        Field::Float16(value) => number(value.to_string()),
        Field::Float(value) => number(value.to_string()),
        Field::Double(value) => Number::from_f64(value).map_or(Value::Null, Value::Number),
        Field::Str(text) => text.into(),
        Field::Bytes(bytes) => String::from_utf8(bytes.data().to_vec()).map_or(Value::Null, Value::from),
        Field::Group(row) => {
            let entries = row.into_columns().into_iter();
            Value::Object(entries.map(|(name, field)| (name, value(field))).collect::<Map<_, _>>())
        }
        Field::ListInternal(list) => list.elements().iter().cloned().map(value).collect(),
        Field::MapInternal(map) => {
            let entries = map.entries().iter().cloned();
            let name = |field: Field| match value(field) {
                Value::String(name) => name,
                other => other.to_string(),
            };
            Value::Object(entries.map(|(key, field)| (name(key), value(field))).collect::<Map<_, _>>())
        }
        other => other.to_string().into(),
    }
}
