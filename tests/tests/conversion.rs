//! `t2f data export` and `t2f data import`: formats, terms, and data that are read back.

use std::fs;
use std::path::Path;

use t2f_data::Image;

use crate::program::run;

/// Four images with captions, one of them damaged.
fn faces(folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    let mut rows = String::new();
    for shade in 0..40u8 {
        let png = Image::filled(24, 20, [shade, 9, 200]).encode_png().unwrap();
        let png = if shade == 7 { &png[..20] } else { &png[..] };
        fs::write(folder.join(format!("face {shade}.png")), png).unwrap();
        rows.push_str(&format!(
            "{{\"file_name\": \"face {shade}.png\", \"text\": \"a man with hair {shade}\", \"attributes\": \
             {{\"hair\": \"black\"}}}}\n"
        ));
    }
    fs::write(folder.join("metadata.jsonl"), rows).unwrap();
}

#[test]
fn every_format_of_an_export_is_read_back() {
    let home = tempfile::tempdir().unwrap();
    faces(&home.path().join("faces"));
    let kinds = [
        ("folder", "folder:folder"),
        ("csv", "folder:csv"),
        ("text-files", "text-files:text-files"),
        ("webdataset", "webdataset:webdataset"),
        ("parquet", "parquet:parquet"),
    ];
    for (format, data) in kinds {
        let arguments = ["data", "export", "--data", "folder:faces", "--out", format, "--format", format];
        let ran = run(home.path(), &arguments);
        assert_eq!(ran.code, 0, "{format}: {}", ran.err);
        assert!(ran.out.contains("images in ") && ran.err.contains("1 files cannot be used"), "{}", ran.err);
        let bad = fs::read_to_string(home.path().join(format).join("bad_files.tsv")).unwrap();
        assert!(bad.contains("face 7.png"), "{bad}");
        let check = run(home.path(), &["data", "check", "--data", data, "--resolution", "8"]);
        assert_eq!(check.code, 0, "{format}: {}", check.err);
        assert!(check.out.contains("images            39 ("), "{format}: {}", check.out);
        assert!(check.out.contains("attributes        hair (1)"), "{format}: {}", check.out);
    }
    let original = fs::read(home.path().join("faces/face 3.png")).unwrap();
    let parts =
        ["train", "validation", "test"].map(|part| home.path().join("folder").join(part).join("face 3.png"));
    let copy = parts.iter().find(|path| path.exists()).expect("the image is in a part");
    assert_eq!(fs::read(copy).unwrap(), original);
    let resized = ["data", "export", "--data", "folder:faces", "--out", "small", "--resolution", "8"];
    assert_eq!(run(home.path(), &resized).code, 0);
    let copies =
        ["train", "validation", "test"].map(|part| home.path().join("small").join(part).join("face 3.png"));
    let copy = copies.iter().find(|path| path.exists()).expect("the image is in a part");
    assert_ne!(fs::read(copy).unwrap(), original);
}

#[test]
fn a_copy_of_a_published_data_set_needs_agreement_and_states_the_terms() {
    let home = tempfile::tempdir().unwrap();
    let images = home.path().join("lfw");
    let mut captions = Vec::new();
    for person in 0..4u8 {
        let name = format!("Some_One{person}/Some_One{person}_0001.jpg");
        fs::create_dir_all(images.join(format!("Some_One{person}"))).unwrap();
        fs::write(images.join(&name), Image::filled(30, 30, [person; 3]).encode_png().unwrap()).unwrap();
        captions.push(format!("{{\"image\": \"{name}\", \"descriptions\": [{{\"text\": \"a man\"}}]}}"));
    }
    fs::write(home.path().join("clean.json"), format!("[{}]", captions.join(","))).unwrap();
    let import = ["data", "import", "--data", "lfw:lfw,clean.json", "--out", "own"];
    let refused = run(home.path(), &import);
    assert_eq!(refused.code, 2);
    for words in ["LFW states no licence", "https://", "--accept-license lfw"] {
        assert!(refused.err.contains(words), "{}", refused.err);
    }
    assert!(!home.path().join("own").exists());
    let other = run(home.path(), &[&import[..], &["--accept-license", "celeba"]].concat());
    assert!(other.code == 2 && other.err.contains("the terms of `lfw`"), "{}", other.err);
    let agreed = run(home.path(), &[&import[..], &["--accept-license", "lfw"]].concat());
    assert_eq!(agreed.code, 0, "{}", agreed.err);
    assert!(agreed.err.contains("data.crop=0.6") && agreed.err.contains("folder:own"), "{}", agreed.err);
    let terms = fs::read_to_string(home.path().join("own/LICENSE.txt")).unwrap();
    assert!(terms.contains("may not be passed on") && terms.contains("https://"), "{terms}");
    let check = run(home.path(), &["data", "check", "--data", "folder:own", "--resolution", "8"]);
    assert!(check.out.contains("images            4 ("), "{}{}", check.out, check.err);

    let nothing = run(home.path(), &["data", "import", "--out", "x"]);
    assert!(nothing.code == 2 && nothing.err.contains("no files to import"), "{}", nothing.err);
    let shards = run(home.path(), &["data", "export", "--out", "x", "--shard-images", "0"]);
    assert!(shards.code == 2 && shards.err.contains("from 1"), "{}", shards.err);
}
