//! WebDataset tars and Parquet files as other programs write them.

use std::path::Path;
use std::sync::Arc;

use parquet::basic::Compression;
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, Int64Type};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use t2f_data::{
    Cache, DataConfig, Dataset, FilesConfig, Image, ParquetConfig, Result, Splits, WebdatasetConfig,
};

fn files() -> FilesConfig {
    FilesConfig { cache: Cache::Off, allow_bad: true, ..FilesConfig::default() }
}

fn png(shade: u8) -> Vec<u8> {
    Image::filled(8, 8, [shade, 10, 20]).encode_png().unwrap()
}

fn write_tar(path: &Path, entries: &[(&str, &[u8])]) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut builder = tar::Builder::new(std::fs::File::create(path).unwrap());
    for (name, bytes) in entries {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, *bytes).unwrap();
    }
    builder.finish().unwrap();
}

fn webdataset(path: impl AsRef<Path>) -> Result<Splits> {
    let path = path.as_ref().into();
    DataConfig::Webdataset(WebdatasetConfig { path, files: files(), ..WebdatasetConfig::default() }).open(8)
}

fn texts(dataset: &dyn Dataset, index: usize) -> Vec<String> {
    dataset.captions(index).unwrap().into_iter().map(|caption| caption.text).collect()
}

/// The value of an attribute by its name.
fn attribute<'s>(dataset: &'s dyn Dataset, index: usize, name: &str) -> Option<&'s str> {
    let place = dataset.schema().index(name)?;
    let value = dataset.attributes(index)?.value(place)?;
    Some(&dataset.schema().values(place)[value])
}

#[test]
fn shards_of_parts_have_text_json_and_labels() {
    let home = tempfile::tempdir().unwrap();
    let json =
        br#"{"caption": "from json", "split": "train", "Person": "ann", "attributes": {"hair": "red"}}"#;
    write_tar(
        &home.path().join("train/0.tar"),
        &[
            ("0.png", &png(1)),
            ("0.txt", b"a man\n\n  with hair \r\n"),
            ("0.cls", b"3\n"),
            ("1.png", &png(2)),
            ("1.json", json),
            ("1.txt", b"from text"),
            ("2.txt", b"no image"),
            ("README.md", b"words"),
        ],
    );
    write_tar(&home.path().join("val/0.tar"), &[("0.jpg", &png(3)), ("0.txt", b"a woman")]);
    let splits = webdataset(home.path()).unwrap();
    assert_eq!((splits.train.len(), splits.val.len(), splits.test.len()), (2, 1, 0));
    let train = splits.train.as_ref();
    assert_eq!(texts(train, 0), ["a man", "with hair"]);
    assert_eq!(texts(train, 1), ["from json"]);
    assert_eq!(train.group(1), Some("ann"));
    assert_eq!((attribute(train, 0, "label"), attribute(train, 1, "hair")), (Some("3"), Some("red")));
    assert_eq!(train.image(1).unwrap().pixel(0, 0), [2, 10, 20]);
    assert_eq!(train.encoded(&[1, 0]).unwrap().unwrap(), [png(2), png(1)]);
    assert_eq!(train.file_name(0), Some("0.png"));
    assert!(
        splits.report.notes.iter().any(|note| note.contains("without an image")),
        "{:?}",
        splits.report.notes
    );
}

#[test]
fn samples_without_captions_train_by_label_or_without_condition() {
    let home = tempfile::tempdir().unwrap();
    let shard = home.path().join("all.tar");
    let images: Vec<Vec<u8>> = (0..4).map(png).collect();
    let names: Vec<(String, &[u8])> =
        images.iter().enumerate().map(|(at, image)| (format!("{at}.png"), image.as_slice())).collect();
    let entries: Vec<(&str, &[u8])> = names.iter().map(|(name, image)| (name.as_str(), *image)).collect();
    write_tar(&shard, &entries);
    let splits = webdataset(&shard).unwrap();
    assert!(!splits.train.has_captions() && splits.schema().is_empty());
    assert_eq!(splits.report.images, 4);
    let mut labelled = entries.clone();
    labelled.insert(1, ("0.cls", b"big_smile"));
    labelled.push(("3.cls", b"sad"));
    write_tar(&shard, &labelled);
    let splits = webdataset(&shard).unwrap();
    let parts = [&splits.train, &splits.val, &splits.test];
    let examples = parts.into_iter().flat_map(|part| (0..part.len()).map(|at| part.get(at).unwrap()));
    let mut captions: Vec<String> = Vec::new();
    for example in examples {
        let caption = &example.captions[0];
        assert!(example.attributes.unwrap().value(0).is_some(), "{caption:?}");
        captions.push(caption.text.clone());
    }
    captions.sort();
    assert_eq!((captions, splits.report.uncaptioned), (vec!["big smile".into(), "sad".into()], 2));
}

#[test]
fn equal_keys_of_several_shards_are_told_apart_and_patterns_choose_shards() {
    let home = tempfile::tempdir().unwrap();
    for shard in 0..3u8 {
        let path = home.path().join(format!("s-{shard:02}.tar"));
        write_tar(&path, &[("x/0.png", &png(shard)), ("x/0.txt", b"a face")]);
    }
    let splits = webdataset(home.path().join("s-{00..01}.tar")).unwrap();
    assert_eq!(splits.report.images, 2);
    let parts = [&splits.train, &splits.val, &splits.test];
    let names =
        parts.iter().flat_map(|part| (0..part.len()).map(|at| part.file_name(at).unwrap().to_owned()));
    let mut names: Vec<String> = names.collect();
    names.sort();
    assert_eq!(names, ["s-00/x/0.png", "s-01/x/0.png"]);
    let message = webdataset(home.path().join("s-{00..09}.tar")).unwrap_err().to_string();
    assert!(message.contains("s-03.tar") && message.contains("no such file"), "{message}");
}

#[test]
fn a_cut_shard_is_reported_and_its_whole_samples_are_used() {
    let home = tempfile::tempdir().unwrap();
    let shard = home.path().join("0.tar");
    let images: Vec<Vec<u8>> = (0..4).map(png).collect();
    let mut entries: Vec<(String, &[u8])> = Vec::new();
    for (at, image) in images.iter().enumerate() {
        entries.push((format!("{at}.txt"), b"a face"));
        entries.push((format!("{at}.png"), image));
    }
    let entries: Vec<(&str, &[u8])> = entries.iter().map(|(name, bytes)| (name.as_str(), *bytes)).collect();
    write_tar(&shard, &entries);
    let whole = std::fs::read(&shard).unwrap();
    let end = whole.len() - 1024 - 500;
    std::fs::write(&shard, &whole[..end]).unwrap();
    let report = webdataset(&shard).unwrap().report;
    assert_eq!((report.images, report.bad.len()), (3, 1));
    assert!(report.bad[0].path.ends_with("0.tar"), "{:?}", report.bad);
    assert!(
        report.bad[0].reason.contains(&format!("the archive ends at byte {end}, within `3.png`")),
        "{:?}",
        report.bad
    );
    std::fs::write(&shard, b"\x1f\x8b\x08\x00packed").unwrap();
    let message = webdataset(&shard).unwrap_err().to_string();
    assert!(message.contains("0.tar: compressed") && message.contains("gunzip --keep"), "{message}");
}

/// Cells of one column; `None` is null.
enum Cells<'c> {
    Bytes(Vec<Option<&'c [u8]>>),
    /// Lists of texts.
    Lists(Vec<Vec<&'c str>>),
    Integers(Vec<Option<i64>>),
    Bools(Vec<Option<bool>>),
}

/// Writes the next column. `level` is the definition level of a value.
fn write_cells<T: DataType>(
    group: &mut SerializedRowGroupWriter<'_, std::fs::File>,
    cells: &[Option<T::T>],
    level: i16,
) {
    let mut column = group.next_column().unwrap().unwrap();
    let levels: Vec<i16> = cells.iter().map(|cell| if cell.is_some() { level } else { level - 1 }).collect();
    let values: Vec<T::T> = cells.iter().flatten().cloned().collect();
    column.typed::<T>().write_batch(&values, Some(&levels), None).unwrap();
    column.close().unwrap();
}

/// A Parquet file in row groups of two, as `datasets` writes it with `writer_batch_size=2`.
fn write_parquet(
    path: &Path,
    message: &str,
    huggingface: Option<&str>,
    compression: Compression,
    cells: &[(i16, Cells<'_>)],
) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let metadata = huggingface.map(|text| vec![KeyValue::new("huggingface".into(), text.to_owned())]);
    let properties =
        WriterProperties::builder().set_compression(compression).set_key_value_metadata(metadata).build();
    let schema = Arc::new(parse_message_type(message).unwrap());
    let file = std::fs::File::create(path).unwrap();
    let mut writer = SerializedFileWriter::new(file, schema, Arc::new(properties)).unwrap();
    let rows = match &cells[0].1 {
        Cells::Bytes(cells) => cells.len(),
        _ => unreachable!("the first column is bytes"),
    };
    for start in (0..rows).step_by(2) {
        let range = start..(start + 2).min(rows);
        let mut group = writer.next_row_group().unwrap();
        for (level, cells) in cells {
            match cells {
                Cells::Bytes(cells) => {
                    let bytes = |cell: &Option<&[u8]>| cell.map(|bytes| ByteArray::from(bytes.to_vec()));
                    let cells: Vec<_> = cells[range.clone()].iter().map(bytes).collect();
                    write_cells::<ByteArrayType>(&mut group, &cells, *level);
                }
                Cells::Integers(cells) => write_cells::<Int64Type>(&mut group, &cells[range.clone()], *level),
                Cells::Bools(cells) => write_cells::<BoolType>(&mut group, &cells[range.clone()], *level),
                Cells::Lists(cells) => {
                    let (mut values, mut levels, mut repeats) = (Vec::new(), Vec::new(), Vec::new());
                    for list in &cells[range.clone()] {
                        for (at, text) in list.iter().enumerate() {
                            values.push(ByteArray::from(text.as_bytes().to_vec()));
                            levels.push(3);
                            repeats.push(i16::from(at > 0));
                        }
                        if list.is_empty() {
                            levels.push(1);
                            repeats.push(0);
                        }
                    }
                    let mut column = group.next_column().unwrap().unwrap();
                    column
                        .typed::<ByteArrayType>()
                        .write_batch(&values, Some(&levels), Some(&repeats))
                        .unwrap();
                    column.close().unwrap();
                }
            }
        }
        group.close().unwrap();
    }
    writer.close().unwrap();
}

fn parquet(path: impl AsRef<Path>) -> Result<Splits> {
    parquet_with(ParquetConfig { path: path.as_ref().into(), files: files(), ..ParquetConfig::default() })
}

fn parquet_with(config: ParquetConfig) -> Result<Splits> {
    DataConfig::Parquet(config).open(8)
}

const IMAGE: &str = "optional group image { optional binary bytes; optional binary path (STRING); }";

#[test]
fn files_of_datasets_have_struct_list_and_class_labels() {
    let home = tempfile::tempdir().unwrap();
    let message = format!(
        "message schema {{ {IMAGE} optional group captions (LIST) {{ repeated group list \
         {{ optional binary element (STRING); }} }} optional int64 label; optional boolean smiling; \
         optional int64 id; optional binary person (STRING); }}"
    );
    let features = r#"{"info": {"features": {"image": {"_type": "Image"}, "label":
        {"names": ["cat", "dog"], "_type": "ClassLabel"}}}}"#;
    let images: Vec<Vec<u8>> = (0..5).map(png).collect();
    let bytes: Vec<Option<&[u8]>> = images.iter().map(|image| Some(image.as_slice())).collect();
    let names = ["a.png", "b.png", "c.png", "d.png", "e.png"].map(|name| Some(name.as_bytes()));
    let lists = vec![vec!["one", "two"], vec!["three"], vec!["four"], vec![], vec!["five"]];
    for (part, compression) in [("train", Compression::SNAPPY), ("test", Compression::LZ4_RAW)] {
        write_parquet(
            &home.path().join(format!("data/{part}-00000-of-00001.parquet")),
            &message,
            Some(features),
            compression,
            &[
                (2, Cells::Bytes(bytes.clone())),
                (2, Cells::Bytes(names.to_vec())),
                (3, Cells::Lists(lists.clone())),
                (1, Cells::Integers(vec![Some(1), Some(0), None, Some(1), Some(-1)])),
                (1, Cells::Bools(vec![Some(true), None, Some(false), Some(true), Some(true)])),
                (1, Cells::Integers((100..105).map(Some).collect())),
                (1, Cells::Bytes(vec![Some(b"p"), Some(b"p"), None, Some(b"q"), Some(b"r")])),
            ],
        );
    }
    let splits = parquet(home.path()).unwrap();
    // The fourth row has no caption.
    assert_eq!((splits.train.len(), splits.val.len(), splits.test.len()), (4, 0, 4));
    assert_eq!(splits.report.uncaptioned, 2);
    let train = splits.train.as_ref();
    assert_eq!(texts(train, 0), ["one", "two"]);
    assert_eq!((train.file_name(1), train.group(1), train.group(2)), (Some("b.png"), Some("p"), None));
    assert_eq!(splits.schema().names().collect::<Vec<_>>(), ["label", "smiling"]);
    let label = |index| attribute(train, index, "label");
    assert_eq!([label(0), label(1), label(2), label(3)], [Some("dog"), Some("cat"), None, None]);
    assert_eq!(attribute(train, 2, "smiling"), Some("false"));
    for (index, shade) in [(3, 4), (0, 0), (2, 2)] {
        assert_eq!(train.image(index).unwrap().pixel(0, 0), [shade, 10, 20]);
    }
    assert_eq!(train.encoded(&[0, 3, 1]).unwrap().unwrap(), [png(0), png(4), png(1)]);
}

#[test]
fn binary_columns_and_paths_are_images_too() {
    let home = tempfile::tempdir().unwrap();
    let images: Vec<Vec<u8>> = (0..3).map(png).collect();
    let bytes: Vec<Option<&[u8]>> = images.iter().map(|image| Some(image.as_slice())).collect();
    let texts_of = |words: [&'static str; 3]| words.map(|word| Some(word.as_bytes())).to_vec();
    let binary = home.path().join("binary.parquet");
    write_parquet(
        &binary,
        "message m { required binary jpg; optional binary thumbnail; required binary txt (STRING); }",
        None,
        Compression::GZIP(Default::default()),
        &[
            (0, Cells::Bytes(bytes.clone())),
            (1, Cells::Bytes(vec![Some(b"x"), None, None])),
            (0, Cells::Bytes(texts_of(["a", "b", "c"]))),
        ],
    );
    let message = parquet(&binary).unwrap_err().to_string();
    assert!(message.contains("data.caption_column") && message.contains("txt"), "{message}");
    let config = ParquetConfig {
        path: binary,
        files: files(),
        caption_column: Some("txt".into()),
        ..ParquetConfig::default()
    };
    let splits = parquet_with(config).unwrap();
    assert_eq!((splits.report.images, splits.report.captions), (3, 3));
    assert!(
        splits.report.notes.iter().any(|note| note.contains("`thumbnail` not used")),
        "{:?}",
        splits.report.notes
    );

    // Images that are not embedded: the bytes are null, the path is relative to the file.
    let paths = home.path().join("paths/all.parquet");
    write_parquet(
        &paths,
        &format!("message m {{ {IMAGE} optional binary text (STRING); }}"),
        None,
        Compression::UNCOMPRESSED,
        &[
            (2, Cells::Bytes(vec![None, None, None])),
            (2, Cells::Bytes(texts_of(["im/0.png", "im/1.png", "im/2.png"]))),
            (1, Cells::Bytes(texts_of(["a", "b", "c"]))),
        ],
    );
    let folder = home.path().join("paths/im");
    std::fs::create_dir(&folder).unwrap();
    for (at, image) in images.iter().enumerate().take(2) {
        std::fs::write(folder.join(format!("{at}.png")), image).unwrap();
    }
    let report = parquet(&paths).unwrap().report;
    assert_eq!((report.images, report.bad.len()), (2, 1));
    assert!(report.bad[0].path.ends_with("im/2.png"), "{:?}", report.bad);
}

#[test]
fn files_that_cannot_be_read_are_refused_by_name() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("x.parquet");
    std::fs::write(&file, b"PAR1 no table").unwrap();
    let message = parquet(&file).unwrap_err().to_string();
    assert!(message.contains("x.parquet: no Parquet file"), "{message}");
    let one = png(1);
    let cells =
        [(1, Cells::Bytes(vec![Some(b"a"), Some(b"b")])), (1, Cells::Bytes(vec![Some(one.as_slice()); 2]))];
    write_parquet(
        &file,
        "message m { optional binary text (STRING); optional binary image; }",
        None,
        Compression::UNCOMPRESSED,
        &cells,
    );
    assert_eq!(parquet(&file).unwrap().report.images, 2);
    let config =
        ParquetConfig { path: file.clone(), image_column: Some("photo".into()), ..ParquetConfig::default() };
    let message = parquet_with(config).unwrap_err().to_string();
    assert!(message.contains("no column `photo`, the columns are [text, image]"), "{message}");
    // No damage is a panic, and none changes an image in silence.
    let whole = std::fs::read(&file).unwrap();
    for at in (0..whole.len()).step_by(3) {
        for damaged in [whole[..at].to_vec(), [&whole[..at], &[whole[at] ^ 0x55], &whole[at + 1..]].concat()]
        {
            std::fs::write(&file, damaged).unwrap();
            let _ = parquet(&file).map(|splits| splits.train.image(0));
        }
    }
}
