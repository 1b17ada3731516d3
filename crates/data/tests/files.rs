//! Datasets of files: formats, bad input, splits, caches.

use std::path::Path;

use t2f_data::procedural::{Factor, ProceduralFaces, Split, schema};
use t2f_data::{
    Cache, CaptionFilter, DataConfig, Dataset, Error, FilesConfig, FolderConfig, Image, LfwConfig,
    Observation, PreflightReport, ProceduralConfig, Result, SplitConfig, Splits, export,
};
use t2f_ops::rng::{Key, unit};

/// A gray-green picture that differs by `shade`.
fn picture(side: usize, shade: u8) -> Vec<u8> {
    Image::filled(side, side, [shade, 200, 10]).encode_png().unwrap()
}

/// `count` people with two pictures each under `lfw-deepfunneled/`, PNG files called `.jpg`, and
/// their captions in the form of Face2Text v0.1.
fn lfw(folder: &Path, count: usize) -> LfwConfig {
    let mut entries = Vec::new();
    for person in 0..count {
        let name = format!("Some_One{person}");
        let home = folder.join("lfw-deepfunneled").join(&name);
        std::fs::create_dir_all(&home).unwrap();
        for number in 1..=2u8 {
            let shade = person as u8 * 2 + number;
            std::fs::write(home.join(format!("{name}_000{number}.jpg")), picture(64, shade)).unwrap();
            entries.push(serde_json::json!({
                "img_id": shade, "image": format!("{name}/{name}_000{number}.bmp"),
                "descriptions": [{"desc_id": 0, "text": format!("a man with black hair {shade}")},
                                 {"desc_id": 1, "text": "another lying politician"}],
            }));
        }
    }
    std::fs::write(folder.join("clean.json"), serde_json::to_string(&entries).unwrap()).unwrap();
    LfwConfig { images: folder.into(), captions: folder.join("clean.json"), ..LfwConfig::default() }
}

/// Other fractions of the parts, with the default seed.
fn fractions(validation_fraction: f64, test_fraction: f64) -> SplitConfig {
    SplitConfig { validation_fraction, test_fraction, seed: 0 }
}

/// More than 5 % of unusable files are allowed.
fn allow_bad() -> FilesConfig {
    FilesConfig { allow_bad: true, ..FilesConfig::default() }
}

fn open(config: &LfwConfig) -> Result<Splits> {
    DataConfig::Lfw(config.clone()).open(32)
}

fn reason(config: &LfwConfig) -> String {
    open(config).expect_err("an error").to_string()
}

/// The people of a part, by the number in the only visual caption.
fn people(part: &dyn Dataset) -> Vec<usize> {
    let number = |i| part.captions(i).unwrap()[0].text.rsplit(' ').next().unwrap().parse::<usize>().unwrap();
    (0..part.len()).map(|i| (number(i) - 1) / 2).collect()
}

#[test]
fn lfw_is_found_paired_cropped_and_split_by_person() {
    let folder = tempfile::tempdir().unwrap();
    let splits = open(&lfw(folder.path(), 40)).unwrap();
    assert_eq!((splits.report.images, splits.report.captions, splits.report.bad.len()), (80, 160, 0));
    let parts = [&splits.train, &splits.val, &splits.test];
    assert_eq!(parts.iter().map(|part| part.len()).sum::<usize>(), 80);
    assert!(parts.iter().all(|part| !part.is_empty()) && splits.test_comb.is_none());
    for (i, one) in parts.iter().enumerate() {
        for other in &parts[i + 1..] {
            let others = people(other.as_ref());
            assert!(people(one.as_ref()).iter().all(|person| !others.contains(person)));
        }
    }
    let example = splits.train.get(0).unwrap();
    assert_eq!((example.image.width, example.image.height), (32, 32));
    assert_eq!(example.image.pixel(5, 5)[1..], [200, 10]);
    assert!(splits.train.image(splits.train.len()).is_err());
}

#[test]
fn a_person_stays_in_one_part_when_others_are_added() {
    let (small, large) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let before = people(open(&lfw(small.path(), 20)).unwrap().test.as_ref());
    let after = people(open(&lfw(large.path(), 40)).unwrap().test.as_ref());
    assert!(before.iter().all(|person| after.contains(person)));
    assert!(after.iter().filter(|person| **person < 20).all(|person| before.contains(person)));
}

#[test]
fn the_visual_filter_drops_and_counts() {
    let folder = tempfile::tempdir().unwrap();
    let config = LfwConfig {
        files: FilesConfig { filter: CaptionFilter::Visual, ..FilesConfig::default() },
        ..lfw(folder.path(), 5)
    };
    let splits = open(&config).unwrap();
    assert_eq!((splits.report.captions, splits.report.dropped_captions), (10, 10));
}

#[test]
fn bad_files_are_listed_and_too_many_are_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let config = lfw(folder.path(), 20);
    let file = |name: &str| folder.path().join(format!("lfw-deepfunneled/{name}/{name}_0001.jpg"));
    std::fs::write(file("Some_One3"), b"version https://git-lfs.github.com/spec/v1").unwrap();
    let splits = open(&config).unwrap();
    assert_eq!((splits.report.images, splits.report.bad.len()), (39, 1));
    let table = splits.report.bad_files_tsv();
    assert!(
        table.starts_with("path\treason\n") && table.contains("Some_One3_0001.jpg\ta git-lfs pointer"),
        "{table}"
    );
    std::fs::write(file("Some_One4"), b"<html>").unwrap();
    std::fs::remove_file(file("Some_One5")).unwrap();
    let message = reason(&config);
    assert!(
        message.contains("3 of 40 captioned images cannot be used") && message.contains("allow_bad"),
        "{message}"
    );
    let splits = open(&LfwConfig { files: allow_bad(), ..config }).unwrap();
    assert_eq!(splits.report.images, 37);
    assert!(splits.require_batch(4).is_ok() && splits.require_batch(64).is_err());
}

#[test]
fn wrong_paths_name_what_was_tried_and_what_is_near() {
    let folder = tempfile::tempdir().unwrap();
    let config = lfw(folder.path(), 2);
    let message = reason(&LfwConfig { images: folder.path().join("lwf"), ..config.clone() });
    assert!(message.contains("no such folder") && message.contains("lfw-deepfunneled"), "{message}");
    let message = reason(&LfwConfig { captions: folder.path().join("raw.json"), ..config.clone() });
    assert!(message.contains("raw.json: no captions there"), "{message}");
    assert!(
        reason(&LfwConfig { images: Default::default(), ..config.clone() })
            .contains("data.images is not set, expected the folder of the images of LFW")
    );
    assert!(reason(&LfwConfig { crop: 0.0, ..config.clone() }).contains("data.crop is 0, expected above 0"));
    assert!(
        reason(&LfwConfig { split: fractions(0.1, 0.95), ..config })
            .contains("leave some images for training")
    );
}

#[test]
fn ambiguous_images_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let config = lfw(folder.path(), 1);
    let twin = folder.path().join("lfw-deepfunneled/Some_One0/Some_One0_0001.png");
    std::fs::write(twin, picture(64, 1)).unwrap();
    assert!(reason(&config).contains("ambiguous"));
}

#[test]
fn a_cache_gives_the_same_pixels_and_survives_damage() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("cache");
    let config = LfwConfig {
        files: FilesConfig { cache: Cache::Folder(cache.clone()), ..FilesConfig::default() },
        ..lfw(folder.path(), 3)
    };
    let first = open(&config).unwrap();
    for entry in std::fs::read_dir(&cache).unwrap() {
        // A file that is mapped is replaced, never shortened.
        let pack = entry.unwrap().path();
        std::fs::remove_file(&pack).unwrap();
        std::fs::write(&pack, b"damaged").unwrap();
    }
    for _ in 0..2 {
        let again = open(&config).unwrap();
        assert_eq!(again.train.fingerprint(), first.train.fingerprint());
        assert_eq!(again.train.image(0).unwrap(), first.train.image(0).unwrap());
    }
    assert_eq!(std::fs::read_dir(&cache).unwrap().count(), 1, "one pack for one data set");
}

#[test]
fn the_fingerprint_follows_pixels_and_words() {
    let folder = tempfile::tempdir().unwrap();
    let config = LfwConfig { split: fractions(0.0, 0.0), ..lfw(folder.path(), 3) };
    let print = || open(&config).unwrap().train.fingerprint();
    let before = print();
    assert_eq!(before, print());
    std::fs::write(folder.path().join("lfw-deepfunneled/Some_One0/Some_One0_0001.jpg"), picture(64, 99))
        .unwrap();
    let repainted = print();
    assert_ne!(before, repainted);
    let captions = std::fs::read_to_string(&config.captions).unwrap();
    std::fs::write(&config.captions, captions.replace("black", "brown")).unwrap();
    assert_ne!(print(), repainted);
}

#[test]
fn an_exported_data_set_is_read_back_unchanged() {
    let folder = tempfile::tempdir().unwrap();
    let parts = [("train", Split::Train), ("validation", Split::Val), ("test_comb", Split::TestComb)];
    for (name, split) in parts {
        export(&ProceduralFaces::new(split, 5, 4, 16), folder.path().join(name)).unwrap();
    }
    let config = FolderConfig { path: folder.path().into(), ..FolderConfig::default() };
    let splits = DataConfig::Folder(config).open(16).unwrap();
    let comb = splits.test_comb.clone().unwrap();
    assert_eq!(splits.test.len(), 0);
    for (part, (_, split)) in [&splits.train, &splits.val, &comb].into_iter().zip(parts) {
        let faces = ProceduralFaces::new(split, 5, 4, 16);
        assert_eq!(part.len(), 4);
        for index in 0..4 {
            assert_eq!(part.get(index).unwrap(), faces.get(index).unwrap());
        }
    }
    assert!(export(comb.as_ref(), folder.path().join("train")).is_err(), "nothing is overwritten");
}

#[test]
fn a_table_is_read_and_an_unknown_column_names_those_there_are() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    for (name, shade) in [("a.png", 1), ("b c.png", 2)] {
        std::fs::write(path.join(name), picture(16, shade)).unwrap();
    }
    std::fs::write(
        path.join("metadata.csv"),
        "\u{feff}file_name,prompt\r\na.png,\"young, tall\"\r\nb c.png,old\r\n",
    )
    .unwrap();
    let config = FolderConfig { path: path.into(), split: fractions(0.0, 0.0), ..FolderConfig::default() };
    let splits = DataConfig::Folder(config.clone()).open(16).unwrap();
    assert_eq!(splits.train.captions(0).unwrap()[0].text, "young, tall");
    let wrong = FolderConfig { caption_column: Some("words".into()), ..config };
    let message = DataConfig::Folder(wrong).open(16).err().unwrap().to_string();
    assert!(message.contains("no text in `words`; the columns are [file_name, prompt]"), "{message}");
}

/// A folder that holds these pictures, and this metadata; all of it is for training.
fn folder(path: &Path, pictures: &[&str], metadata: (&str, &str)) -> FolderConfig {
    for (shade, name) in (0..).zip(pictures) {
        let file = path.join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, picture(16, shade)).unwrap();
    }
    std::fs::write(path.join(metadata.0), metadata.1).unwrap();
    FolderConfig { path: path.into(), split: fractions(0.0, 0.0), ..FolderConfig::default() }
}

fn open_folder(config: &FolderConfig) -> Result<Splits> {
    DataConfig::Folder(config.clone()).open(16)
}

/// The error about a folder with this metadata and the images `0.png` and `1.png`.
fn folder_reason(metadata: (&str, &str)) -> String {
    let home = tempfile::tempdir().unwrap();
    let config = folder(home.path(), &["0.png", "1.png"], metadata);
    open_folder(&config).expect_err("an error").to_string()
}

/// The remarks of a report, except the one about the column of the captions.
fn remarks(report: &PreflightReport) -> Vec<&str> {
    report.notes.iter().map(String::as_str).filter(|note| !note.starts_with("captions: ")).collect()
}

fn texts(part: &dyn Dataset) -> Vec<Vec<String>> {
    let texts = |i| part.captions(i).unwrap().into_iter().map(|caption| caption.text).collect();
    (0..part.len()).map(texts).collect()
}

#[test]
fn rows_of_one_file_are_one_image_with_all_their_captions() {
    let home = tempfile::tempdir().unwrap();
    let rows = r#"{"file_name":"1.png","text":"b"}
        {"file_name":"0.png","captions":["a","old"],"claims":[[],[{"factor":"age","allowed":["old"]}]]}
        {"file_name":"gone.png","text":"x"}
        {"file_name":"./1.PNG","text":"bald","claims":[[{"factor":"hair-length","allowed":["bald"]}]]}
        {"file_name":"gone.png","text":"y"}"#;
    let config = folder(home.path(), &["0.png", "1.png", "2.png"], ("metadata.jsonl", rows));
    let splits = open_folder(&FolderConfig { files: allow_bad(), ..config }).unwrap();
    assert_eq!(texts(splits.train.as_ref()), [["b", "bald"], ["a", "old"]]);
    let claims = |image: usize| splits.train.captions(image).unwrap().remove(1).claims;
    assert!(
        claims(0).about(Factor::HairLength as usize).is_some()
            && claims(1).about(Factor::Age as usize).is_some()
    );
    let report = &splits.report;
    assert_eq!((report.images, report.captions, report.uncaptioned, report.bad.len()), (2, 4, 1, 1));
}

#[test]
fn rows_of_one_file_that_contradict_one_another_are_named_by_both_lines() {
    let face = ProceduralFaces::new(Split::Train, 3, 1, 16).face(0).unwrap();
    let other = face.with(Factor::Nose, if face.is(Factor::Nose, "big") { "small" } else { "big" }).unwrap();
    let [nose, other_nose] = [&face, &other].map(|face| face.value(Factor::Nose).unwrap());
    let [face, other] = [face, other].map(|face| face.attributes());
    let row = |name: &str, face: &t2f_data::Attributes| {
        let names = face.to_names(schema()).unwrap();
        serde_json::json!({"file_name": name, "text": "x", "attributes": names}).to_string()
    };
    let rows = |second| {
        [row("0.png", &face), String::new(), row("1.png", &other), row("./0.PNG", second)].join("\n")
    };
    let home = tempfile::tempdir().unwrap();
    let config = folder(home.path(), &["0.png", "1.png"], ("metadata.jsonl", &rows(&face)));
    let splits = open_folder(&config).unwrap();
    assert_eq!(
        (splits.train.attributes(0), splits.train.attributes(1)),
        (Some(face.clone()), Some(other.clone()))
    );
    let message = folder_reason(("metadata.jsonl", &rows(&other)));
    let wanted = format!("metadata.jsonl: line 4: `nose` of ./0.PNG is {other_nose}, and {nose} in line 1");
    assert!(message.ends_with(&wanted), "{message}");
}

#[test]
fn claims_stay_with_their_captions_where_one_is_no_text() {
    let home = tempfile::tempdir().unwrap();
    let claim = |factor: &str, value: &str| serde_json::json!([{"factor": factor, "allowed": [value]}]);
    let (bald, old) = (claim("hair-length", "bald"), claim("age", "old"));
    let row = serde_json::json!({
        "file_name": "0.png", "captions": [null, "bald", 7, "old"], "claims": [old, bald, [], old],
    });
    let config = folder(home.path(), &["0.png"], ("metadata.jsonl", &row.to_string()));
    let splits = open_folder(&config).unwrap();
    assert_eq!(texts(splits.train.as_ref()), [["bald", "old"]]);
    let captions = splits.train.captions(0).unwrap();
    let factors = captions.iter().map(|caption| caption.claims.as_slice()[0].attribute);
    assert!(factors.eq([Factor::HairLength as usize, Factor::Age as usize]));
    assert_eq!(splits.report.dropped_captions, 2);
}

/// The part, 0 to 2, that a name is dealt to for training, validation and test by 0.4, 0.3, 0.3.
fn draw(name: &str) -> usize {
    let draw = unit(&mut Key::new(0).child("split").child(name).rng());
    [2, 1, 0][usize::from(draw >= 0.3) + usize::from(draw >= 0.6)]
}

/// The texts of the three parts.
fn dealt(splits: &Splits) -> [Vec<Vec<String>>; 3] {
    [&splits.train, &splits.val, &splits.test].map(|part| texts(part.as_ref()))
}

#[test]
fn parts_are_drawn_from_the_files_found_however_they_are_spelled() {
    let home = tempfile::tempdir().unwrap();
    let names: Vec<String> = (0..30).map(|i| format!("Sub/{i}.png")).collect();
    let spelled = |spell: &dyn Fn(&str) -> String| {
        let row = |name: &String| serde_json::json!({"file_name": spell(name), "text": name}).to_string();
        let rows: Vec<String> = names.iter().map(row).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let config = folder(home.path(), &names, ("metadata.jsonl", &rows.join("\n")));
        let config = FolderConfig { split: fractions(0.3, 0.3), ..config };
        dealt(&open_folder(&config).unwrap())
    };
    let plain = spelled(&str::to_owned);
    for (part, texts) in plain.iter().enumerate() {
        assert!(!texts.is_empty() && texts.iter().all(|text| draw(&text[0].to_lowercase()) == part));
    }
    assert_eq!(spelled(&|name| format!("./{}", name.to_uppercase())), plain);
    assert_eq!(spelled(&|name| name.replace("Sub/", "").replace("png", "bmp")), plain);
}

#[test]
fn the_person_of_an_image_follows_from_the_found_file() {
    let home = tempfile::tempdir().unwrap();
    let config = LfwConfig { split: fractions(0.3, 0.3), ..lfw(home.path(), 20) };
    let splits = open(&config).unwrap();
    let plain = dealt(&splits);
    for (part, data) in [&splits.train, &splits.val, &splits.test].into_iter().enumerate() {
        assert!(people(data.as_ref()).iter().all(|person| draw(&format!("some_one{person}")) == part));
    }
    let captions = std::fs::read_to_string(&config.captions).unwrap();
    // Captions that name files alone; then files without folders, too.
    let bare = (0..20).fold(captions, |bare, person| bare.replace(&format!("Some_One{person}/"), ""));
    std::fs::write(&config.captions, bare).unwrap();
    assert_eq!(dealt(&open(&config).unwrap()), plain);
    let flat = home.path().join("flat");
    std::fs::create_dir(&flat).unwrap();
    for person in 0..20 {
        for number in 1..=2 {
            let name = format!("Some_One{person}_000{number}.jpg");
            let from = home.path().join(format!("lfw-deepfunneled/Some_One{person}/{name}"));
            std::fs::copy(from, flat.join(name)).unwrap();
        }
    }
    assert_eq!(dealt(&open(&LfwConfig { images: flat, ..config }).unwrap()), plain);
}

#[test]
fn captions_that_spell_one_file_twice_are_of_one_image() {
    let home = tempfile::tempdir().unwrap();
    let config = lfw(home.path(), 4);
    let captions = std::fs::read_to_string(&config.captions).unwrap();
    std::fs::write(&config.captions, captions.replace("One1_0002.bmp", "One1_0001.JPG")).unwrap();
    let report = open(&config).unwrap().report;
    assert_eq!((report.images, report.captions, report.uncaptioned), (7, 16, 1));
}

#[test]
fn a_folder_in_a_name_must_match() {
    let home = tempfile::tempdir().unwrap();
    let rows = "file_name,text\nb/0.png,x\n../../../etc/0.png,y\n0.png,z\n";
    let config = folder(home.path(), &["a/0.png"], ("metadata.csv", rows));
    let splits = open_folder(&FolderConfig { files: allow_bad(), ..config }).unwrap();
    assert_eq!(texts(splits.train.as_ref()), [["z"]]);
    let bad = splits.report.bad;
    assert_eq!(bad.len(), 2);
    assert!(bad.iter().all(|bad| bad.reason.contains("in another folder there is")), "{bad:?}");
}

#[test]
fn no_row_of_a_table_is_lost_silently() {
    let reason = |table| folder_reason(("metadata.csv", table));
    let message = reason("file_name,text\n\n0.png,a man, smiling\n");
    assert!(message.contains("metadata.csv: line 3: 3 fields, expected 2 as in the header"), "{message}");
    let message = reason("file_name,text\n0.png,\"a man\n1.png,old\n");
    assert!(message.contains("line 2: a quote opens a field, expected a quote that closes it"), "{message}");
    let home = tempfile::tempdir().unwrap();
    let table = "file_name,text\r0.png,5'10\" tall\r1.png,a \"tall\" man\r";
    let splits = open_folder(&folder(home.path(), &["0.png", "1.png"], ("metadata.csv", table))).unwrap();
    assert_eq!(texts(splits.train.as_ref()), [["5'10\" tall"], ["a \"tall\" man"]]);
}

#[test]
fn a_wrong_row_is_named_by_its_line_in_the_file() {
    for (rows, wanted) in [
        (
            "\n{\"file_name\":\"0.png\",\"text\":\"x\"}\n\n{\"file_name\":}",
            "line 4, column 14: expected value",
        ),
        ("\n[1]", "line 2, column"),
        ("\n{\"file_name\":5,\"text\":\"x\"}", "line 2: `file_name` is 5: expected text"),
        ("\n\n{\"text\":\"x\"}", "line 3: no `file_name` among [text]"),
        ("\n{\"file_name\":\"0.png\",\"words\":\"a man\"}", "line 2: no text in `captions`"),
    ] {
        let message = folder_reason(("metadata.jsonl", rows));
        assert!(message.contains(&format!("metadata.jsonl: {wanted}")), "{message}");
        assert!(!message.contains("line 1 "), "{message}");
    }
    let message = folder_reason(("metadata.csv", "file_name,words\n\"0.png\",\"x\ny\"\n"));
    assert!(message.contains("metadata.csv: line 2: no text in"), "{message}");
}

#[test]
#[cfg(unix)]
fn files_that_are_not_regular_or_too_long_are_unusable_and_never_read() {
    let home = tempfile::tempdir().unwrap();
    let names = ["good.png", "socket.png", "zero.png", "long.png", "link.png"];
    let rows: Vec<String> = names.iter().map(|name| format!("{name},a man")).collect();
    let table = format!("file_name,text\n{}\n", rows.join("\n"));
    let config = folder(home.path(), &["good.png"], ("metadata.csv", &table));
    let file = |name: &str| home.path().join(name);
    let _socket = std::os::unix::net::UnixListener::bind(file("socket.png")).unwrap();
    std::os::unix::fs::symlink("/dev/zero", file("zero.png")).unwrap();
    std::os::unix::fs::symlink("good.png", file("link.png")).unwrap();
    std::fs::File::create(file("long.png")).unwrap().set_len((256 << 20) + 1).unwrap();
    let report = open_folder(&FolderConfig { files: allow_bad(), ..config }).unwrap().report;
    let reasons: Vec<&str> = report.bad.iter().map(|bad| bad.reason.as_str()).collect();
    let irregular = "not a regular file: expected an image";
    assert_eq!(reasons, [irregular, irregular, "268435457 bytes: expected at most 256 MiB"]);
    assert_eq!(report.images, 2, "links to files are followed");
}

#[test]
#[cfg(unix)]
fn captions_that_are_no_regular_file_are_refused_and_never_waited_for() {
    let home = tempfile::tempdir().unwrap();
    let link = |file: &Path| std::os::unix::fs::symlink("/dev/null", file).unwrap();
    let pipe = |file: &Path| {
        assert!(std::process::Command::new("mkfifo").arg(file).status().unwrap().success());
    };
    let config = lfw(home.path(), 1);
    let captions = home.path().join("captions");
    for (i, make) in [&link as &dyn Fn(&Path), &pipe].into_iter().enumerate() {
        let file = home.path().join(i.to_string());
        make(&file);
        let message = reason(&LfwConfig { captions: file, ..config.clone() });
        assert!(message.contains("not a regular file: expected text"), "{message}");
        for name in ["metadata.csv", "metadata.jsonl"] {
            std::fs::create_dir(&captions).unwrap();
            make(&captions.join(name));
            let message = open_folder(&FolderConfig { path: captions.clone(), ..FolderConfig::default() });
            let message = message.err().unwrap().to_string();
            assert!(message.contains(&format!("{name}: not a regular file: expected text")), "{message}");
            std::fs::remove_dir_all(&captions).unwrap();
        }
    }
}

#[test]
fn a_refused_data_set_has_its_report_and_the_next_step() {
    let home = tempfile::tempdir().unwrap();
    let config = lfw(home.path(), 2);
    for name in ["Some_One0/Some_One0_0001.jpg", "Some_One1/Some_One1_0002.jpg"] {
        std::fs::write(home.path().join("lfw-deepfunneled").join(name), b"<html>").unwrap();
    }
    let error = open(&config).err().unwrap();
    let message = error.to_string();
    let next = "`t2f data check` lists them, `--set data.files.allow_bad=true` continues without them";
    assert!(message.contains("2 of 4 captioned images") && message.ends_with(next), "{message}");
    let Error::Refused { report, .. } = error else { panic!("{error:?}") };
    assert_eq!((report.images, report.bad.len()), (2, 2));
    assert!(report.bad_files_tsv().contains("Some_One1_0002.jpg\ta web page"));
    let message = folder_reason(("metadata.csv", "file_name,text\na.png,x\n"));
    assert!(message.contains("1 of 1") && !message.contains("allow_bad"), "nothing is left: {message}");
}

#[test]
fn data_without_a_single_caption_says_so() {
    for metadata in [
        ("metadata.jsonl", ""),
        ("metadata.csv", "file_name,text\n"),
        ("metadata.jsonl", r#"{"file_name":"0.png","text":" "}"#),
    ] {
        let message = folder_reason(metadata);
        assert!(message.contains("no row has both a caption and an image"), "{message}");
        assert!(message.contains("2 images have no caption"), "{message}");
    }
}

#[test]
fn a_file_that_is_no_image_is_told_from_one_that_is_not_there() {
    let home = tempfile::tempdir().unwrap();
    let table = "file_name,text\n0.png,x\nnotes.txt,y\n2.webp,z\n";
    let config = folder(home.path(), &["0.png"], ("metadata.csv", table));
    std::fs::write(home.path().join("notes.txt"), "words").unwrap();
    let report = open_folder(&FolderConfig { files: allow_bad(), ..config }).unwrap().report;
    let reason = |name: &str| {
        report.bad.iter().find(|bad| bad.path.ends_with(name)).map(|bad| bad.reason.as_str()).unwrap()
    };
    assert!(reason("2.webp").contains("no such image") && !reason("notes.txt").contains("no such image"));
    assert_eq!((report.images, report.bad.len()), (1, 2));
}

#[test]
fn settings_out_of_range_or_not_set_are_named() {
    let message = |config: DataConfig| config.open(16).expect_err("an error").to_string();
    for images in [1, 100_000_001, 1_000_000_000_000_000] {
        let [train, val, test] = [(images, 2, 2), (2, images, 2), (2, 2, images)].map(|sizes| {
            let (train_images, val_images, test_images) = sizes;
            let default = ProceduralConfig::default();
            DataConfig::Procedural(ProceduralConfig { train_images, val_images, test_images, ..default })
        });
        for (config, field) in [(train, "train_images"), (val, "val_images"), (test, "test_images")] {
            let wanted = format!("data.{field} is {images}, expected at least 2 and at most 100000000");
            assert_eq!(message(config), wanted);
        }
    }
    assert!(message(DataConfig::Folder(FolderConfig::default())).starts_with("data.path is not set"));
    let config = LfwConfig { images: ".".into(), ..LfwConfig::default() };
    assert!(message(DataConfig::Lfw(config)).starts_with("data.captions is not set"));
}

#[test]
fn a_limit_of_memory_beyond_all_memory_is_a_limit() {
    let home = tempfile::tempdir().unwrap();
    let config = folder(home.path(), &["0.png"], ("metadata.csv", "file_name,text\n0.png,a man\n"));
    for (memory_mib, kept) in [(0, false), (1, true), (1 << 44, true), (usize::MAX, true)] {
        std::fs::write(home.path().join("0.png"), picture(16, 0)).unwrap();
        let splits = open_folder(&FolderConfig {
            files: FilesConfig { memory_mib, ..FilesConfig::default() },
            ..config.clone()
        })
        .unwrap();
        std::fs::remove_file(home.path().join("0.png")).unwrap();
        assert_eq!(splits.train.image(0).is_ok(), kept, "{memory_mib} MiB");
    }
}

#[test]
fn configurations_survive_json_and_refuse_unknown_keys() {
    let config = DataConfig::Lfw(LfwConfig { crop: 0.7, ..LfwConfig::default() });
    let json = serde_json::to_string(&config).unwrap();
    assert_eq!(serde_json::from_str::<DataConfig>(&json).unwrap(), config);
    let short: DataConfig = serde_json::from_str(r#"{"kind":"procedural","seed":4}"#).unwrap();
    assert_eq!(short, DataConfig::Procedural(ProceduralConfig { seed: 4, ..ProceduralConfig::default() }));
    let wrong =
        serde_json::from_str::<DataConfig>(r#"{"kind":"procedural","sead":4}"#).unwrap_err().to_string();
    assert!(wrong.contains("unknown field `sead`"), "{wrong}");
    assert!(DataConfig::default().open(48).is_err(), "48 is no power of two");
}

#[test]
fn the_default_opens_at_once_with_four_parts() {
    let splits = DataConfig::default().open(64).unwrap();
    let sizes =
        [&splits.train, &splits.val, &splits.test, splits.test_comb.as_ref().unwrap()].map(|part| part.len());
    assert_eq!(sizes, [20_000, 2_000, 2_000, 2_000]);
    assert_eq!(splits.train.fingerprint(), "procedural-v1-train-seed0-20000x64");
}

/// The folders of others: attributes and claims of any schema, in any form.
fn labelled(rows: &[serde_json::Value]) -> (Splits, tempfile::TempDir) {
    let home = tempfile::tempdir().unwrap();
    let names: Vec<String> = (0..rows.len()).map(|i| format!("{i}.png")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let lines: Vec<String> = rows
        .iter()
        .zip(&names)
        .map(|(row, name)| {
            let mut row = row.clone();
            row["file_name"] = (*name).into();
            row["text"] = format!("face {name}").into();
            row.to_string()
        })
        .collect();
    let config = folder(home.path(), &names, ("metadata.jsonl", &lines.join("\n")));
    (open_folder(&config).unwrap(), home)
}

#[test]
fn attributes_of_any_schema_are_read_and_exported() {
    let rows: Vec<serde_json::Value> = (0..20)
        .map(|i| {
            serde_json::json!({
                "attributes": {"Male": if i % 2 == 0 { 1 } else { -1 }, "hair": (["red", "black"][i % 2]),
                               "hat": i % 3 == 0, "age": 20 + i},
                "claims": [[{"attribute": "hair", "allowed": ["black"]}]],
            })
        })
        .collect();
    let (splits, _home) = labelled(&rows);
    let schema = splits.schema();
    assert_eq!(schema.names().collect::<Vec<_>>(), ["Male", "age", "hair", "hat"]);
    assert_eq!(
        (schema.values(0), schema.values(2)),
        (&["-1", "1"].map(String::from)[..], &["black", "red"].map(String::from)[..])
    );
    assert_eq!((schema.values(1).len(), schema.values(1)[0].as_str()), (8, "20 to 22"));
    let seventh = splits.train.attributes(7).unwrap();
    let names = seventh.to_names(schema).unwrap();
    assert_eq!(
        [&names["Male"], &names["age"], &names["hair"], &names["hat"]],
        ["-1", "25 to 27", "black", "false"]
    );
    assert!(splits.train.captions(7).unwrap()[0].claims.holds(&seventh));
    assert_eq!(remarks(&splits.report), [""; 0]);
    let copy = tempfile::tempdir().unwrap();
    export(splits.train.as_ref(), copy.path()).unwrap();
    let config =
        FolderConfig { path: copy.path().into(), split: fractions(0.0, 0.0), ..FolderConfig::default() };
    let again = open_folder(&config).unwrap();
    assert_eq!(again.schema(), schema);
    for index in 0..20 {
        assert_eq!(again.train.get(index).unwrap(), splits.train.get(index).unwrap());
    }
    assert_eq!(again.train.fingerprint(), splits.train.fingerprint());
}

#[test]
fn columns_of_others_never_stop_a_data_set_and_are_named() {
    let row = |labels: serde_json::Value| vec![labels.clone(), labels];
    let silent = |labels| remarks(&labelled(&row(labels)).0.report).is_empty();
    for (labels, wanted) in [
        (
            serde_json::json!({"attributes": ["young", "man"]}),
            "column `attributes` is ignored: expected an object",
        ),
        (serde_json::json!({"attributes": "young"}), "column `attributes` is ignored"),
        (serde_json::json!({"claims": ["is smiling"]}), "column `claims` is ignored: expected a list"),
        (serde_json::json!({"claims": 7}), "column `claims` is ignored"),
    ] {
        let (splits, _home) = labelled(&row(labels));
        assert!(splits.schema().is_empty() && splits.train.len() == 2);
        let notes = remarks(&splits.report);
        assert!(notes.len() == 1 && notes[0].starts_with(wanted), "{notes:?}");
        assert!(
            notes[0].contains("(2 rows, the first: ") && notes[0].contains("metadata.jsonl, line 1"),
            "{notes:?}"
        );
    }
    // Factors and words of the procedural faces, but not all of them, are a schema of their own.
    let (splits, _home) = labelled(&row(serde_json::json!({"attributes": {"hair": "long", "sex": "woman"}})));
    assert_eq!(splits.schema().names().collect::<Vec<_>>(), ["hair", "sex"]);
    assert!(silent(serde_json::json!({"attributes": {"Male": 1}})));
    assert!(silent(serde_json::json!({"attributes": null, "claims": null})));
    let rows: Vec<serde_json::Value> = (0..40)
        .map(|i| serde_json::json!({"attributes": {"name": format!("person {i}"), "sex": "man"}}))
        .collect();
    let (splits, _home) = labelled(&rows);
    assert_eq!(splits.schema().names().collect::<Vec<_>>(), ["sex"]);
    assert_eq!(
        remarks(&splits.report),
        ["attribute `name` is ignored: 40 different words in 40 rows are free text"]
    );
}

#[test]
fn rows_of_one_file_add_to_its_attributes_and_contradictions_leave_them_unknown() {
    let home = tempfile::tempdir().unwrap();
    let rows = r#"{"file_name":"0.png","text":"a","attributes":{"hair":"red"}}
        {"file_name":"0.png","text":"b","attributes":{"hat":"cap"}}
        {"file_name":"0.png","text":"c","attributes":{"hair":"black"}}
        {"file_name":"0.png","text":"d","attributes":{"hair":"red"}}"#;
    let splits = open_folder(&folder(home.path(), &["0.png"], ("metadata.jsonl", rows))).unwrap();
    let face = splits.train.attributes(0).unwrap();
    assert_eq!((face.get(0), face.get(1)), (Observation::Unknown, Observation::Value(0)));
    let notes = remarks(&splits.report);
    assert!(
        notes.len() == 1 && notes[0].contains("`hair`") && notes[0].contains("0.png, lines 1 and 3"),
        "{notes:?}"
    );
}

#[test]
fn a_declared_schema_is_that_of_every_part_and_contradictions_are_errors() {
    let home = tempfile::tempdir().unwrap();
    let json = r#"[{"name":"hair","values":["red","black","grey"]}]"#;
    let rows = "{\"file_name\":\"0.png\",\"text\":\"a\",\"attributes\":{\"hair\":\"black\",\"hat\":\"cap\"}}";
    for part in ["train", "test"] {
        std::fs::create_dir(home.path().join(part)).unwrap();
        folder(&home.path().join(part), &["0.png"], ("metadata.jsonl", rows));
    }
    let config = FolderConfig { path: home.path().into(), ..FolderConfig::default() };
    std::fs::write(home.path().join("train/schema.json"), json).unwrap();
    let splits = open_folder(&config).unwrap();
    assert_eq!(splits.schema().sizes(), [3]);
    assert_eq!(
        (splits.test.schema(), splits.test.attributes(0)),
        (splits.schema(), splits.train.attributes(0))
    );
    assert_eq!(splits.train.attributes(0).unwrap().value(0), Some(1));
    assert!(remarks(&splits.report)[0].starts_with("attribute `hat` is not in the schema (2 rows"));
    std::fs::write(home.path().join("test/schema.json"), json.replace("red", "blond")).unwrap();
    let message = open_folder(&config).unwrap_err().to_string();
    assert!(
        message.contains("test/schema.json: another schema than") && message.contains("train"),
        "{message}"
    );
    std::fs::write(home.path().join("test/schema.json"), "[{}]").unwrap();
    let message = open_folder(&config).unwrap_err().to_string();
    assert!(message.contains("test/schema.json: missing field `name`"), "{message}");
    std::fs::write(home.path().join("test/schema.json"), json).unwrap();
    let other = rows.replace("black", "red");
    std::fs::write(home.path().join("test/metadata.jsonl"), [rows, &other].join("\n")).unwrap();
    let message = open_folder(&config).unwrap_err().to_string();
    assert!(message.ends_with("line 2: `hair` of 0.png is red, and black in line 1"), "{message}");
}

#[test]
fn a_table_holds_labels_as_json() {
    let home = tempfile::tempdir().unwrap();
    let table = "file_name,text,attributes,claims\n0.png,a man,\"{\"\"sex\"\": \"\"man\"\"}\",\"[{\"\"sex\"\": \"\"man\"\"}]\"\n\
                 1.png,a face,,\n";
    let splits = open_folder(&folder(home.path(), &["0.png", "1.png"], ("metadata.csv", table))).unwrap();
    assert_eq!(splits.schema().names().collect::<Vec<_>>(), ["sex"]);
    let man = splits.train.attributes(0).unwrap();
    assert!(splits.train.captions(0).unwrap()[0].claims.holds(&man) && remarks(&splits.report).is_empty());
    assert_eq!(splits.train.attributes(1), None);
}

#[test]
fn the_fingerprint_follows_labels_and_is_the_old_one_without_them() {
    let row = |labels: serde_json::Value| labelled(&[labels]).0.train.fingerprint();
    let hair = |value: &str| row(serde_json::json!({"attributes": {"hair": value}}));
    let claims = |value: &str| {
        row(serde_json::json!({"attributes": {"hair": "red"}, "claims": [{"hair": [value, "red"]}]}))
    };
    let prints = [hair("red"), hair("black"), claims("black"), claims("grey"), row(serde_json::json!({}))];
    assert_eq!(prints.iter().collect::<std::collections::BTreeSet<_>>().len(), prints.len());
    // That of version 0.1.0.
    assert_eq!(prints[4], "folder-7924cd1b66c344b1");
}

#[test]
fn an_unread_data_set_has_the_same_parts_and_reads_an_image_when_asked() {
    let home = tempfile::tempdir().unwrap();
    let names: Vec<String> = (0..40).map(|at| format!("{at}.png")).collect();
    let rows: Vec<String> = names.iter().map(|name| format!("{name},a man of {name}")).collect();
    let pictures: Vec<&str> = names.iter().map(String::as_str).collect();
    let config = FolderConfig {
        split: fractions(0.2, 0.2),
        ..folder(home.path(), &pictures, ("metadata.csv", &format!("file_name,text\n{}\n", rows.join("\n"))))
    };
    let read = open_folder(&config).unwrap();
    let damaged = read.train.file_name(3).unwrap();
    std::fs::write(home.path().join(damaged), b"no image").unwrap();
    let unread = DataConfig::Folder(config).open_unread(16).unwrap();
    for (one, other) in [(&unread.train, &read.train), (&unread.val, &read.val), (&unread.test, &read.test)] {
        assert_eq!(one.len(), other.len());
        assert!((0..one.len()).all(|at| one.captions(at).unwrap() == other.captions(at).unwrap()));
    }
    assert_eq!(unread.train.image(2).unwrap(), read.train.image(2).unwrap());
    assert!(unread.train.image(3).unwrap_err().to_string().contains("not an image"));
}

#[test]
fn the_fingerprint_follows_groups_and_an_enlarged_image_is_noted() {
    let home = tempfile::tempdir().unwrap();
    let table = "file_name,text,person\n0.png,a man,ann\n1.png,a man,bob\n";
    let config = folder(home.path(), &["0.png", "1.png"], ("metadata.csv", table));
    let splits = open_folder(&config).unwrap();
    assert!(!splits.report.notes.iter().any(|note| note.contains("enlarged")), "{:?}", splits.report.notes);
    std::fs::write(home.path().join("metadata.csv"), table.replace("bob", "ann")).unwrap();
    assert_ne!(open_folder(&config).unwrap().train.fingerprint(), splits.train.fingerprint());
    let large = DataConfig::Folder(config).open(32).unwrap();
    assert_eq!(large.report.enlarged, 2);
    let wanted = "2 images have fewer than 32x32 pixels in use and were enlarged";
    assert!(large.report.notes.iter().any(|note| note.starts_with(wanted)), "{:?}", large.report.notes);
}
