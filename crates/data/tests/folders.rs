//! Image folders in the layouts that people have: all are read as the same data.

use std::path::Path;

use serde_json::json;
use t2f_data::{
    DataConfig, Dataset, FilesConfig, FolderConfig, Image, MmCelebaHqConfig, Result, SplitConfig, Splits,
    TextFilesConfig,
};

mod layouts;

const CAPTIONS: [&str; 4] = ["a man, old", "a woman; smiling", "a \"tall\" boy", "a girl"];
const NAMES: [&str; 4] = ["a", "b", "c", "d"];
/// Everything without a published part is for training.
const ALL: SplitConfig = SplitConfig { validation_fraction: 0.0, test_fraction: 0.0, seed: 0 };

fn put(home: &Path, name: &str, bytes: &[u8]) {
    let file = home.join(name);
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(file, bytes).unwrap();
}

/// An image of one colour, which `shade` tells from others.
fn picture(shade: usize) -> Vec<u8> {
    Image::filled(16, 16, [(20 * shade % 251) as u8, 200, 10]).encode_png().unwrap()
}

/// A folder with these files; those named `*.png` and `*.jpg` are images, numbered in the order of names.
fn folder(files: &[(&str, String)]) -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    let mut images: Vec<&str> = files
        .iter()
        .map(|(name, _)| *name)
        .filter(|name| name.ends_with(".png") || name.ends_with(".jpg"))
        .collect();
    images.sort_by_key(|name| name.rsplit('/').next().unwrap().to_owned());
    for (shade, name) in images.iter().enumerate() {
        put(home.path(), name, &picture(shade));
    }
    for (name, text) in files.iter().filter(|(name, _)| !images.contains(name)) {
        put(home.path(), name, text.as_bytes());
    }
    home
}

/// The images `a.png` to `d.png` under `prefix`, and one file of text.
fn images(prefix: &str, name: &str, text: &str) -> tempfile::TempDir {
    let files: Vec<String> = NAMES.iter().map(|image| format!("{prefix}{image}.png")).collect();
    let mut files: Vec<(&str, String)> = files.iter().map(|name| (name.as_str(), String::new())).collect();
    files.push((name, text.into()));
    folder(&files)
}

fn config(home: &tempfile::TempDir) -> FolderConfig {
    FolderConfig { path: home.path().into(), split: ALL, ..FolderConfig::default() }
}

fn open(config: FolderConfig) -> Result<Splits> {
    DataConfig::Folder(config).open(16)
}

fn message(config: FolderConfig) -> String {
    open(config).expect_err("an error").to_string()
}

fn texts(part: &dyn Dataset) -> Vec<Vec<String>> {
    let texts = |i| part.captions(i).unwrap().into_iter().map(|caption| caption.text).collect();
    (0..part.len()).map(texts).collect()
}

fn rows(row: impl Fn(&str, &str) -> serde_json::Value) -> String {
    NAMES.iter().zip(CAPTIONS).map(|(name, text)| row(name, text).to_string() + "\n").collect()
}

/// A table of the four images with this separator and header.
fn table(separator: &str, header: [&str; 2]) -> String {
    let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    let rows =
        NAMES.iter().zip(CAPTIONS).map(|(name, text)| [format!("{name}.png"), quoted(text)].join(separator));
    [header.join(separator)].into_iter().chain(rows).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_same_images_and_captions_are_read_from_every_layout() {
    let plain = rows(|name, text| json!({"file_name": format!("{name}.png"), "text": text}));
    let listed: Vec<serde_json::Value> =
        plain.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let list = serde_json::to_string_pretty(&listed).unwrap();
    let utf16: Vec<u8> =
        std::iter::once(0xfeff).chain(plain.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    let wide = images("", "metadata.jsonl", "");
    put(wide.path(), "metadata.jsonl", &utf16);
    let subfolders = folder(&[
        ("men/a.png", String::new()),
        ("men/c.png", String::new()),
        ("women/b.png", String::new()),
        ("women/d.png", String::new()),
        ("men/metadata.csv", "file_name,text\na.png,\"a man, old\"\nc.png,a \"tall\" boy\n".into()),
        ("women/metadata.csv", "file_name,text\nb.png,a woman; smiling\nd.png,a girl\n".into()),
    ]);
    let homes = [
        images("", "metadata.jsonl", &plain),
        wide,
        images("", "metadata.json", &list),
        images("", "metadata.csv", &table(",", ["file_name", "text"])),
        images("", "metadata.csv", &table(";", ["file_name", "text"])),
        images("", "metadata.csv", &table("\t", ["File_Name", "Text"])),
        images("", "metadata.tsv", &table("\t", ["file_name", "text"])),
        images("", "metadata.csv", &table("|", ["file name", "TEXT"])),
        images("", "metadata.csv", &table(", ", ["file_name", "text"])),
        images("", "captions.csv", &table(",", ["image", "caption"])),
        images("pictures/", "labels/metadata1000.jsonl", &plain),
        images(
            "",
            "metadata.jsonl",
            &rows(|name, text| json!({"file_names": [format!("{name}.png")], "text": text})),
        ),
        images(
            "",
            "metadata.jsonl",
            &rows(|name, text| json!({"face_file_name": format!("{name}.png"), "text": text})),
        ),
        images(
            "",
            "metadata.jsonl",
            &rows(|name, text| json!({"image_file": format!("/data/{name}.png"), "text": text})),
        ),
        images(
            "im/",
            "metadata.jsonl",
            &rows(|name, text| json!({"path": format!("im//./x/../{name}.PNG"), "text": text})),
        ),
        images(
            "",
            "metadata.jsonl",
            &rows(
                |name, text| json!({"file_name": format!("{name}.png"), "captions": [], "caption": null, "text": text}),
            ),
        ),
        images(
            "",
            "metadata.jsonl",
            &rows(|name, text| json!({"file_name": format!("{name}.png"), "captions": [[text]]})),
        ),
        images(
            "",
            "metadata.jsonl",
            &rows(|name, text| json!({"file_name": format!("{name}.png"), "captions": [{"raw": text}]})),
        ),
    ];
    let print = |home: &tempfile::TempDir| open(config(home)).unwrap().train.fingerprint();
    let wanted = print(&homes[0]);
    for (at, home) in homes.iter().enumerate() {
        assert_eq!(print(home), wanted, "layout {at}");
    }
    let mut read = texts(open(config(&subfolders)).unwrap().train.as_ref()).concat();
    read.sort();
    let mut all = CAPTIONS.map(String::from);
    all.sort();
    assert_eq!(read, all);
}

#[test]
fn parts_are_published_by_folders_files_and_a_column() {
    let line = |name: &str| json!({"file_name": name, "text": name}).to_string();
    let lines = |names: &[&str]| names.iter().map(|name| line(name) + "\n").collect::<String>();
    let none = String::new;
    let homes = [
        // Metadata at the root.
        folder(&[
            ("Train/a.png", none()),
            ("Train/b.png", none()),
            ("dev-set/c.png", none()),
            ("test2014/d.png", none()),
            ("metadata.jsonl", lines(&["Train/a.png", "Train/b.png", "dev-set/c.png", "d.png"])),
        ]),
        // Metadata in the parts, with and without their folders in the names.
        folder(&[
            ("training/a.png", none()),
            ("training/b.png", none()),
            ("valid/c.png", none()),
            ("eval/d.png", none()),
            ("training/metadata.jsonl", lines(&["training/a.png", "training/b.png"])),
            ("valid/metadata.jsonl", lines(&["c.png"])),
            ("eval/metadata.jsonl", lines(&["d.png"])),
        ]),
        // A table for each part.
        folder(&[
            ("images/a.png", none()),
            ("images/b.png", none()),
            ("images/c.png", none()),
            ("images/d.png", none()),
            ("train.jsonl", lines(&["a.png", "images/b.png"])),
            ("val.jsonl", lines(&["c.png"])),
            ("captions_test.jsonl", lines(&["d.png"])),
        ]),
        // A column.
        folder(&[
            ("a.png", none()),
            ("b.png", none()),
            ("c.png", none()),
            ("d.png", none()),
            ("e.png", none()),
            (
                "metadata.csv",
                "file_name;text;Split\na.png;x;TRAIN\nb.png;x;training\nc.png;x;dev\nd.png;x;Testing\n\
                e.png;x;holdout\n"
                    .into(),
            ),
        ]),
    ];
    for (at, home) in homes.iter().enumerate() {
        let split = SplitConfig { validation_fraction: 0.5, test_fraction: 0.4, seed: at as u64 };
        let splits = open(FolderConfig { split, ..config(home) }).unwrap();
        let shades = |part: &dyn Dataset| -> Vec<u8> {
            (0..part.len()).map(|i| part.image(i).unwrap().pixel(3, 3)[0] / 20).collect()
        };
        assert_eq!(shades(splits.train.as_ref()), [0, 1], "layout {at}");
        assert_eq!(
            (shades(splits.val.as_ref()), shades(splits.test.as_ref())),
            (vec![2], vec![3]),
            "layout {at}"
        );
        let left_out = splits.report.notes.iter().any(|note| note.contains("`holdout` in 1 rows"));
        assert_eq!(left_out, at == 3, "{:?}", splits.report.notes);
    }
    // Without a part for training, folders are no parts; nor is a column without a known word.
    let home = images(
        "test/",
        "metadata.jsonl",
        &rows(|name, _| json!({"file_name": format!("test/{name}.png"), "text": name})),
    );
    assert_eq!(open(config(&home)).unwrap().train.len(), 4);
    let home =
        images("", "metadata.jsonl", &rows(|name, _| json!({"file_name": name, "text": name, "split": 7})));
    let splits = open(config(&home)).unwrap();
    assert_eq!(splits.train.len(), 4);
    assert!(splits.report.notes.iter().any(|note| note.contains("the column is ignored")));
}

#[test]
fn the_configuration_names_files_and_columns() {
    let rows = rows(
        |name, text| json!({"photo": format!("{name}.png"), "words": {"en": text, "fr": "x"}, "who": "p", "text": "no", "file_name": "z.png"}),
    );
    let home = images("", "other.jsonl", &rows);
    put(home.path(), "metadata.csv", b"file_name,text\na.png,wrong\n");
    let named = FolderConfig {
        metadata: Some("other.jsonl".into()),
        image_column: Some("Photo".into()),
        caption_column: Some("words.en".into()),
        group_column: Some("who".into()),
        ..config(&home)
    };
    let splits = open(named.clone()).unwrap();
    assert_eq!(texts(splits.train.as_ref()).concat(), CAPTIONS);
    assert_eq!(splits.train.group(0), Some("p"));
    assert!(
        splits.report.notes.contains(&"captions: column `words.en`".to_owned()),
        "{:?}",
        splits.report.notes
    );
    for (wrong, wanted) in [
        (
            FolderConfig { metadata: Some("none.csv".into()), ..named.clone() },
            "no `none.csv`, which `data.metadata` names; there are [metadata.csv, other.jsonl]",
        ),
        (
            FolderConfig { image_column: Some("foto".into()), ..named.clone() },
            "other.jsonl: line 1: no `foto` among [file_name, photo, text, who, words]",
        ),
        (
            FolderConfig { group_column: Some("whom".into()), ..named.clone() },
            "no `whom`, which `data.group_column` names, among [file_name, photo, text, who, words]",
        ),
        (
            FolderConfig { caption_column: Some("words.de".into()), ..named.clone() },
            "line 1: no text in `words.de`",
        ),
    ] {
        let message = message(wrong);
        assert!(message.contains(wanted), "{message}");
    }
    let captionless = open(FolderConfig { caption_column: Some(String::new()), ..named }).unwrap();
    assert!(captionless.train.len() == 4 && !captionless.train.has_captions());
}

#[test]
fn a_caption_that_is_no_text_is_named_by_line_column_and_kind() {
    for (cell, wanted) in [
        (json!(5), "line 1: `text` is a number, 5: expected text or a list of texts; `data.caption_column`"),
        (json!([1, 2]), "line 1: `text` is a list with a number, 1: expected a list of texts"),
        (
            json!({"en": "a"}),
            "line 1: `text` is an object with the keys [en]: expected text or a list of texts; `data.caption_column = \"text.en\"`",
        ),
    ] {
        let home = images("", "metadata.jsonl", &rows(|name, _| json!({"file_name": name, "text": cell})));
        let message = message(config(&home));
        assert!(message.contains(&format!("metadata.jsonl: {wanted}")), "{message}");
    }
    let home = images("", "metadata.jsonl", "{\"file_name\":\"a\",\"text\":NaN,\"description\":\"x\"}");
    assert_eq!(texts(open(config(&home)).unwrap().train.as_ref()), [["x"]]);
}

#[test]
fn lists_in_a_table_are_captions_and_the_column_is_named() {
    let table = "file_name,captions,prompt,text\na.png,\"['a man', \"\"a woman's\"\"]\",p,t\nb.png,\"[\"\"c\"\"]\",,\nc.png,NaN,,t\n";
    let home = images("", "metadata.csv", table);
    let splits = open(config(&home)).unwrap();
    assert_eq!(texts(splits.train.as_ref()), [vec!["a man", "a woman's"], vec!["c"], vec!["t"]]);
    let note = splits.report.notes.iter().find(|note| note.starts_with("captions: ")).unwrap();
    assert!(
        note.starts_with(
            "captions: columns `captions` in 2 rows, `text` in 1 rows; `prompt`, `text` are not used"
        ),
        "{note}"
    );
    let table =
        "file_name,text,attributes\na.png,x,\"{'hat': True, 'hair': 'red'}\"\nb.png,y,\"{'hat': False}\"\n";
    let home = images("", "metadata.csv", table);
    let splits = open(config(&home)).unwrap();
    assert_eq!(splits.schema().names().collect::<Vec<_>>(), ["hair", "hat"]);
    let without = open(FolderConfig { attributes: false, ..config(&home) }).unwrap();
    assert!(without.schema().is_empty() && without.train.attributes(0).is_none());
}

#[test]
fn images_of_a_group_stay_together() {
    let names: Vec<String> = (0..40).map(|i| format!("{i:02}.png")).collect();
    let mut files: Vec<(&str, String)> = names.iter().map(|name| (name.as_str(), String::new())).collect();
    let row = |(i, name): (usize, &String)| {
        json!({"file_name": name, "text": format!("{}", i / 4), "identity": i / 4}).to_string() + "\n"
    };
    files.push(("metadata.jsonl", names.iter().enumerate().map(row).collect()));
    let home = folder(&files);
    let split = SplitConfig { validation_fraction: 0.3, test_fraction: 0.3, seed: 1 };
    let splits = open(FolderConfig { split, ..config(&home) }).unwrap();
    let parts = [&splits.train, &splits.val, &splits.test].map(|part| texts(part.as_ref()).concat());
    assert!(parts.iter().all(|part| !part.is_empty() && part.len() % 4 == 0), "{parts:?}");
    let alone = open(FolderConfig { split, group_column: Some(String::new()), ..config(&home) }).unwrap();
    assert_eq!(alone.train.group(0), None);
}

/// A file of text for each image, with its captions.
fn text_files(image: &str, text: &str) -> Vec<(String, String)> {
    let pair = |(name, caption): (&&str, &str)| {
        let (image, text) = (image.replace("NAME", name), text.replace("NAME", name));
        [(image, String::new()), (text, format!("{caption}\n\n {name} \n"))]
    };
    NAMES.iter().zip(CAPTIONS).flat_map(pair).collect()
}

fn folder_of(files: &[(String, String)]) -> tempfile::TempDir {
    folder(&files.iter().map(|(name, text)| (name.as_str(), text.clone())).collect::<Vec<_>>())
}

#[test]
fn a_text_file_for_each_image_has_its_captions() {
    for (image, text) in [
        ("NAME.png", "NAME.txt"),
        ("NAME.png", "NAME.png.txt"),
        ("NAME.png", "NAME.caption"),
        ("images/NAME.png", "text/NAME.txt"),
        ("images/NAME.png", "captions/NAME.txt"),
        ("image/images/NAME.jpg", "text/celeba-caption/NAME.txt"),
        ("images/001.Bird/NAME.jpg", "text/001.Bird/NAME.txt"),
    ] {
        let mut files = text_files(image, text);
        files.push(("README.txt".into(), "nothing".into()));
        let home = folder_of(&files);
        let splits = open(config(&home)).unwrap();
        let wanted: Vec<[&str; 2]> =
            CAPTIONS.into_iter().zip(NAMES).map(|(caption, name)| [caption, name]).collect();
        assert_eq!(texts(splits.train.as_ref()), wanted, "{text}");
        let note = splits.report.notes.iter().find(|note| note.starts_with("captions: text files")).unwrap();
        assert!(note.contains("NAME.txt"), "{note}");
        let kind = TextFilesConfig { path: home.path().into(), split: ALL, ..TextFilesConfig::default() };
        let named = DataConfig::TextFiles(kind).open(16).unwrap();
        assert_eq!(
            (texts(named.train.as_ref()), named.train.name()),
            (texts(splits.train.as_ref()), "text-files")
        );
    }
    let home = images("", "notes.txt", "words");
    let kind = TextFilesConfig { path: home.path().into(), ..TextFilesConfig::default() };
    let message = DataConfig::TextFiles(kind).open(16).unwrap_err().to_string();
    assert!(message.contains("no text file of an image: expected NAME.txt beside each image"), "{message}");
}

#[test]
fn texts_that_cannot_be_read_and_json_without_captions_do_not_stop_a_folder() {
    let mut files = text_files("NAME.png", "NAME.txt");
    files.extend(
        NAMES.map(|name| (format!("{name}.json"), json!({"url": "a.org", "sha256": "ab"}).to_string())),
    );
    let home = folder_of(&files);
    let all = open(config(&home)).unwrap();
    assert_eq!((all.report.images, all.report.captions), (4, 8));
    put(home.path(), "b.txt", b"caf\xe9");
    std::fs::remove_file(home.path().join("c.txt")).unwrap();
    put(home.path(), "z.txt", b"of no image");
    let files = FilesConfig { allow_bad: true, ..FilesConfig::default() };
    let report = open(FolderConfig { files, ..config(&home) }).unwrap().report;
    assert_eq!((report.images, report.bad.len()), (2, 1));
    assert!(
        report.bad[0].path.ends_with("b.txt") && report.bad[0].reason.contains("not UTF-8 text at byte 3")
    );
    assert!(
        report.notes.contains(&"text files without an image are ignored: 1".to_owned()),
        "{:?}",
        report.notes
    );
}

#[test]
fn lists_of_names_are_the_parts_of_mm_celeba_hq() {
    let mut files = text_files("image/images/NAME.jpg", "text/celeba-caption/NAME.txt");
    files.push(("train/filenames.pickle".into(), "(lp0\nS'a'\np1\naS'b'\np2\naS'c'\np3\na.".into()));
    files.push(("test/filenames.pickle".into(), "(lp0\nS'd'\np1\na.".into()));
    let home = folder_of(&files);
    let kind = MmCelebaHqConfig { path: home.path().into(), ..MmCelebaHqConfig::default() };
    let splits = DataConfig::MmCelebaHq(kind).open(16).unwrap();
    assert_eq!((splits.train.len(), splits.val.len(), splits.test.len()), (3, 0, 1));
    assert_eq!(
        (texts(splits.test.as_ref()), splits.test.name()),
        (vec![vec!["a girl".into(), "d".into()]], "mm-celeba-hq")
    );
}

#[test]
fn shards_of_img2dataset_have_captions_in_json() {
    let mut files = Vec::new();
    for (at, caption) in CAPTIONS.iter().enumerate() {
        let (stem, status) =
            (format!("0000{}/{at:09}", at % 2), if at == 3 { "failed_to_resize" } else { "success" });
        let row = json!({"caption": caption, "url": "https://a.org/x.jpg", "key": format!("{at:09}"), "status": status, "width": 16});
        files.extend([
            (format!("{stem}.jpg"), String::new()),
            (format!("{stem}.txt"), caption.to_string()),
            (format!("{stem}.json"), row.to_string()),
        ]);
    }
    files.push(("00000_stats.json".into(), "{\"count\": 2}".into()));
    let splits = open(config(&folder_of(&files))).unwrap();
    let mut read = texts(splits.train.as_ref()).concat();
    read.sort();
    let mut wanted = CAPTIONS[..3].to_vec();
    wanted.sort_unstable();
    assert_eq!(read, wanted);
}

#[test]
fn folders_are_labels_and_images_alone_have_no_captions() {
    let none = String::new;
    let home = folder(&[
        ("train/golden_retriever/a.png", none()),
        ("train/cat/b.png", none()),
        ("test/cat/c.png", none()),
        ("test/golden_retriever/d.png", none()),
    ]);
    let splits = open(config(&home)).unwrap();
    assert_eq!(texts(splits.train.as_ref()), [["cat"], ["golden retriever"]]);
    assert_eq!(
        (splits.test.len(), splits.schema().values(0)),
        (2, &["cat", "golden_retriever"].map(String::from)[..])
    );
    let retriever = splits.train.attributes(1).unwrap();
    assert!(splits.train.captions(1).unwrap()[0].claims.holds(&retriever) && retriever.value(0) == Some(1));
    for prefix in ["", "images/", "00000/", "images1024x1024/00000/"] {
        let home = images(prefix, "notes.md", "words");
        let splits = open(config(&home)).unwrap();
        assert!(
            splits.train.len() == 4 && !splits.train.has_captions() && splits.schema().is_empty(),
            "{prefix}"
        );
        assert!(splits.report.notes.iter().any(|note| note.starts_with("no captions: ")));
    }
    // Metadata without captions.
    let home = images(
        "",
        "metadata.jsonl",
        &rows(|name, _| json!({"file_name": name, "attributes": {"hat": name}})),
    );
    let splits = open(config(&home)).unwrap();
    assert!(!splits.train.has_captions() && splits.schema().sizes() == [4]);
}

#[test]
fn a_folder_that_cannot_be_read_says_what_is_there_and_what_is_expected() {
    let home = tempfile::tempdir().unwrap();
    put(home.path(), "words.txt", b"x");
    let message_of = |home: &tempfile::TempDir| message(config(home));
    let message = message_of(&home);
    assert!(message.contains("no image and no metadata file") && message.contains("words.txt"), "{message}");
    assert!(message.contains("NAME.txt") && message.contains("datasets/README.md"), "{message}");
    put(home.path(), "metadata.csv", b"file_name,text\n");
    let file = FolderConfig { path: home.path().join("metadata.csv"), ..FolderConfig::default() };
    assert!(open(file).unwrap_err().to_string().contains("`data.metadata` names a file in it"));
    let home = images("", "one.csv", &table(",", ["file_name", "text"]));
    put(home.path(), "two.csv", table(",", ["file_name", "text"]).as_bytes());
    let message = message_of(&home);
    assert!(
        message.contains("several tables name images: [one.csv, two.csv]")
            && message.contains("data.metadata"),
        "{message}"
    );
    let home = images("", "metadata.csv", "a.png,a man\nb.png,a boy\n");
    let message = message_of(&home);
    assert!(message.contains("expected a header such as `file_name,text`"), "{message}");
    let home = images("", "faces.csv", "photo,text\na.png,x\n");
    let splits = open(FolderConfig { files: FilesConfig::default(), ..config(&home) }).unwrap();
    assert!(splits.report.notes.iter().any(|note| {
        note.contains(
            "faces.csv is not read: line 2: no `file_name` among [photo, text]; `data.image_column`",
        )
    }));
    let named = FolderConfig { image_column: Some("photo".into()), ..config(&home) };
    assert_eq!(texts(open(named).unwrap().train.as_ref()), [["x"]]);
}

#[test]
fn published_layouts_with_a_text_file_for_each_image_are_read() {
    let home = tempfile::tempdir().unwrap();
    let splits = layouts::mm_celeba_hq(home.path()).open(16).unwrap();
    assert_eq!((splits.train.len(), splits.val.len(), splits.test.len()), (9, 0, 3));
    assert_eq!(splits.report.captions, 120);
    let home = tempfile::tempdir().unwrap();
    let splits = layouts::img2dataset(home.path()).open(16).unwrap();
    assert_eq!((splits.report.images, splits.report.captions, splits.report.bad.len()), (16, 16, 0));
}
