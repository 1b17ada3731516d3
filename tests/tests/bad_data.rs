//! Invalid data: files that are not images, unusual images, empty captions, and files that disappear
//! during an epoch. The tests create every file.

use std::collections::BTreeMap;
use std::fs;
use std::io::Cursor;
use std::ops::ControlFlow;
use std::os::unix::fs::symlink;
use std::path::Path;

use image::codecs::jpeg::JpegEncoder;
use image::{DynamicImage, ExtendedColorType, ImageEncoder, ImageFormat};
use t2f_data::{Cache, DataConfig, FilesConfig, FolderConfig, SplitConfig, Splits};
use t2f_train::components::Components;
use t2f_train::config::Config;
use t2f_train::trainer::{Outcome, Trainer};

use crate::program::run;
use crate::tiny::{config, run_to, run_whole, stats};

/// A JPEG whose left half is red and whose right half is blue.
fn jpeg(width: u32, height: u32) -> Vec<u8> {
    let colour = |i: u32| if i % width < width / 2 { [250, 10, 10] } else { [10, 10, 250] };
    let pixels: Vec<u8> = (0..width * height).flat_map(colour).collect();
    let mut bytes = Vec::new();
    let encoder = JpegEncoder::new_with_quality(&mut bytes, 95);
    encoder.write_image(&pixels, width, height, ExtendedColorType::Rgb8).unwrap();
    bytes
}

/// A JPEG whose first half a lenient decoder shows over gray if the second half is missing.
fn noise(width: u32, height: u32) -> Vec<u8> {
    let pixels: Vec<u8> = (0..width * height * 3).map(|i| (i * 37 % 251) as u8).collect();
    let mut bytes = Vec::new();
    let encoder = JpegEncoder::new_with_quality(&mut bytes, 90);
    encoder.write_image(&pixels, width, height, ExtendedColorType::Rgb8).unwrap();
    bytes
}

fn encoded(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// A 16x16 JPEG of four components, all at half intensity: CMYK for `transform` 0, YCCK for 2.
fn four_components(transform: u8) -> Vec<u8> {
    let mut bytes = vec![0xff, 0xd8, 0xff, 0xee, 0, 14];
    bytes.extend(b"Adobe\0d\0\0\0\0");
    bytes.extend([transform, 0xff, 0xdb, 0, 67, 0]);
    bytes.extend([1; 64]);
    bytes.extend([0xff, 0xc0, 0, 20, 8, 0, 16, 0, 16, 4]);
    (1..=4).for_each(|id| bytes.extend([id, 0x11, 0]));
    for class in [0x00, 0x10] {
        // One code of one bit, for 0: no difference, end of block.
        bytes.extend([0xff, 0xc4, 0, 20, class, 1]);
        bytes.extend([0; 16]);
    }
    bytes.extend([0xff, 0xda, 0, 14, 4]);
    (1..=4).for_each(|id| bytes.extend([id, 0]));
    bytes.extend([0, 63, 0, 0, 0, 0, 0, 0xff, 0xd9]);
    bytes
}

/// A JPEG with an EXIF orientation.
fn turned(orientation: u8) -> Vec<u8> {
    let whole = jpeg(32, 32);
    let mut exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
    exif.extend([orientation, 0, 0, 0, 0, 0, 0, 0]);
    let length = (exif.len() as u16 + 2).to_be_bytes();
    [&whole[..2], &[0xff, 0xe1, length[0], length[1]], &exif, &whole[2..]].concat()
}

/// A PNG whose header has `side` x `side` pixels.
fn bomb(side: u32) -> Vec<u8> {
    let mut bytes = encoded(&DynamicImage::new_rgb8(1, 1), ImageFormat::Png);
    bytes[16..20].copy_from_slice(&side.to_be_bytes());
    bytes[20..24].copy_from_slice(&side.to_be_bytes());
    let crc = crc32fast::hash(&bytes[12..29]);
    bytes[29..33].copy_from_slice(&crc.to_be_bytes());
    bytes
}

/// A folder of these files, each with its name as caption.
fn folder(home: &Path, files: &[(String, Vec<u8>)]) -> FolderConfig {
    let line = |name: &str| {
        serde_json::json!({"file_name": name, "text": format!("a face named {name}")}).to_string()
    };
    let mut list = Vec::new();
    for (name, bytes) in files {
        fs::write(home.join(name), bytes).unwrap();
        list.push(line(name));
    }
    fs::write(home.join("metadata.jsonl"), list.join("\n")).unwrap();
    FolderConfig {
        path: home.into(),
        files: FilesConfig { allow_bad: true, cache: Cache::Off, ..FilesConfig::default() },
        split: SplitConfig { validation_fraction: 0.0, test_fraction: 0.0, seed: 0 },
        ..FolderConfig::default()
    }
}

fn open(config: &FolderConfig) -> t2f_data::Result<Splits> {
    DataConfig::Folder(config.clone()).open(16)
}

#[test]
fn every_row_of_the_table_of_bad_files() {
    let good = jpeg(32, 32);
    let rgb = image::load_from_memory(&good).unwrap();
    let png = |image: DynamicImage| encoded(&image, ImageFormat::Png);
    let noise = noise(64, 48);
    let cut = |keep: usize| good[..keep].to_vec();
    // The reason of a refusal, or the colours of the left and the right half.
    let (red, blue) = ([250, 10, 10], [10, 10, 250]);
    let gray = |of: [u8; 3]| {
        (0.2126 * f64::from(of[0]) + 0.7152 * f64::from(of[1]) + 0.0722 * f64::from(of[2])) as u8
    };
    let (dark, light) = ([gray(red); 3], [gray(blue); 3]);
    let mut clear = rgb.to_rgba8();
    clear.pixels_mut().filter(|pixel| pixel.0[2] > 100).for_each(|pixel| pixel.0[3] = 0);
    type Wanted = Result<[[u8; 3]; 2], &'static str>;
    let rows: Vec<(&str, Vec<u8>, Wanted)> = vec![
        ("whole.jpg", good.clone(), Ok([red, blue])),
        ("half.jpg", cut(good.len() / 2), Err("not a whole JPEG")),
        ("half-noise.jpg", noise[..noise.len() / 2].to_vec(), Err("not a whole JPEG")),
        ("header.jpg", cut(40), Err("not a whole JPEG")),
        ("no-end.jpg", cut(good.len() - 2), Ok([red, blue])),
        ("zeros.jpg", [good.as_slice(), &[0; 99]].concat(), Ok([red, blue])),
        ("empty.jpg", Vec::new(), Err("an empty file")),
        ("page.jpg", b"\n<!DOCTYPE html><title>404".to_vec(), Err("a web page")),
        (
            "pointer.jpg",
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0".to_vec(),
            Err("git lfs pull"),
        ),
        (
            "noise.jpg",
            (0..4000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect(),
            Err("not an image"),
        ),
        ("really-png.jpg", png(rgb.clone()), Ok([red, blue])),
        ("really-jpeg.png", good.clone(), Ok([red, blue])),
        (
            "half.png",
            {
                let png = png(rgb.clone());
                png[..png.len() / 2].to_vec()
            },
            Err("not a whole PNG"),
        ),
        ("gray.png", png(rgb.grayscale()), Ok([dark, light])),
        ("gray-alpha.png", png(DynamicImage::ImageLumaA8(rgb.to_luma_alpha8())), Ok([dark, light])),
        ("sixteen.png", png(DynamicImage::ImageRgb16(rgb.to_rgb16())), Ok([red, blue])),
        ("gray.jpg", encoded(&rgb.grayscale(), ImageFormat::Jpeg), Ok([dark, light])),
        ("clear.png", png(DynamicImage::ImageRgba8(clear)), Ok([red, [255; 3]])),
        ("cmyk.jpg", four_components(0), Ok([[64; 3]; 2])),
        ("ycck.jpg", four_components(2), Ok([[64; 3]; 2])),
        ("bomb.png", bomb(30_000), Err("30000x30000 pixels: expected at most 64 megapixels")),
        ("wide.jpg", jpeg(90, 20), Err("more than 4 times longer than wide")),
        ("landscape.jpg", jpeg(48, 32), Ok([red, blue])),
        ("stamp.jpg", jpeg(6, 6), Err("expected at least 8 a side")),
        ("SHOUT.JPG", good.clone(), Ok([red, blue])),
        ("a dot. and spaces.jpg", good.clone(), Ok([red, blue])),
        ("Jose\u{301}.jpg", good.clone(), Ok([red, blue])),
    ];
    let home = tempfile::tempdir().unwrap();
    let files: Vec<(String, Vec<u8>)> =
        rows.iter().map(|(name, bytes, _)| (name.to_string(), bytes.clone())).collect();
    let splits = open(&folder(home.path(), &files)).unwrap();
    let bad: BTreeMap<String, String> = splits
        .report
        .bad
        .iter()
        .map(|bad| (bad.path.file_name().unwrap().to_string_lossy().into_owned(), bad.reason.clone()))
        .collect();
    let place = |name: &str| {
        let caption = format!("a face named {name}");
        (0..splits.train.len()).find(|&i| splits.train.captions(i).unwrap()[0].text == caption)
    };
    for (name, _, wanted) in &rows {
        match wanted {
            Err(reason) => {
                let found = bad.get(*name).unwrap_or_else(|| panic!("{name} was accepted"));
                assert!(found.contains(reason), "{name}: {found}");
            }
            Ok(colours) => {
                let index = place(name).unwrap_or_else(|| panic!("{name}: {:?}", bad.get(*name)));
                let image = splits.train.image(index).unwrap();
                for (x, colour) in [(3, colours[0]), (12, colours[1])] {
                    let found = image.pixel(x, 8);
                    let close = found.iter().zip(colour).all(|(a, b)| a.abs_diff(b) < 14);
                    assert!(close, "{name} at {x}: {found:?}, expected {colour:?}");
                }
            }
        }
    }
    assert_eq!(splits.report.gray, 5, "three of gray, two of ink");
    let table = splits.report.bad_files_tsv();
    assert_eq!(table.lines().count(), 1 + bad.len());
    assert!(table.starts_with("path\treason\n") && table.contains("empty.jpg\tan empty file\n"), "{table}");
}

#[test]
fn each_exif_orientation_is_applied() {
    // The place of the red half of the upright picture for each of the eight.
    let red_at = [(3, 8), (12, 8), (12, 8), (3, 8), (8, 3), (8, 3), (8, 12), (8, 12)];
    let home = tempfile::tempdir().unwrap();
    let files: Vec<_> = (1..=8).map(|i| (format!("{i}.jpg"), turned(i))).collect();
    let splits = open(&folder(home.path(), &files)).unwrap();
    for (i, (x, y)) in red_at.into_iter().enumerate() {
        let pixel = splits.train.image(i).unwrap().pixel(x, y);
        assert!(pixel[0] > 200 && pixel[2] < 60, "orientation {}: {pixel:?}", i + 1);
    }
}

#[test]
fn names_that_lead_in_circles_or_to_two_files_are_reported() {
    let home = tempfile::tempdir().unwrap();
    let config = folder(home.path(), &[("a.jpg".into(), jpeg(16, 16)), ("b.jpg".into(), jpeg(16, 16))]);
    fs::create_dir(home.path().join("inner")).unwrap();
    symlink(home.path(), home.path().join("inner/loop")).unwrap();
    symlink(home.path().join("nowhere"), home.path().join("dangling.jpg")).unwrap();
    let splits = open(&config).unwrap();
    assert_eq!((splits.train.len(), splits.report.bad.len()), (2, 0));
    assert_eq!(splits.report.uncaptioned, 1, "each file counts once: only the dangling link has no caption");
    // The exact name wins; otherwise two names with different extensions are ambiguous.
    fs::write(home.path().join("A.png"), jpeg(16, 16)).unwrap();
    assert_eq!(open(&config).unwrap().report.bad.len(), 0);
    fs::rename(home.path().join("a.jpg"), home.path().join("a.jpeg")).unwrap();
    let reason = open(&config).unwrap().report.bad.remove(0).reason;
    assert!(reason.contains("ambiguous: it may be any of"), "{reason}");
}

#[test]
fn more_than_one_bad_file_in_twenty_is_an_error_that_shows_some() {
    let home = tempfile::tempdir().unwrap();
    let mut files: Vec<_> = (0..40).map(|i| (format!("{i:02}.jpg"), jpeg(16, 16))).collect();
    files[7].1.clear();
    files[8].1.clear();
    let config = FolderConfig { files: FilesConfig::default(), ..folder(home.path(), &files) };
    assert_eq!(open(&config).unwrap().report.bad.len(), 2, "two of forty are one in twenty");
    fs::remove_file(home.path().join("09.jpg")).unwrap();
    let message = open(&config).err().unwrap().to_string();
    for part in
        ["3 of 40 captioned images cannot be used", "allow_bad", "09.jpg: no such image", "an empty file"]
    {
        assert!(message.contains(part), "{message}");
    }
}

/// Settings of a tiny run on a folder, which is read again for every batch.
fn on_folder(home: &Path, more: &[&str]) -> Config {
    let mut config = config(more);
    config.data = DataConfig::Folder(FolderConfig {
        path: home.into(),
        files: FilesConfig { allow_bad: true, memory_mib: 0, ..FilesConfig::default() },
        split: SplitConfig { validation_fraction: 0.0, test_fraction: 0.2, seed: 0 },
        ..FolderConfig::default()
    });
    config
}

#[test]
fn a_run_lists_the_files_it_leaves_out_and_replaces_those_that_go_away() {
    let home = tempfile::tempdir().unwrap();
    let images = home.path().join("images");
    fs::create_dir(&images).unwrap();
    let mut files: Vec<_> = (0..60).map(|i| (format!("{i:02}.jpg"), jpeg(16, 16))).collect();
    files[5].1 = b"<html>".to_vec();
    folder(&images, &files);
    let out = home.path().join("out");
    let lefts: Vec<_> = ["loader.workers=1", "loader.workers=3"]
        .into_iter()
        .map(|workers| {
            let mut trainer =
                Trainer::create(on_folder(&images, &[workers]), Components::new(), &out).unwrap();
            let run = trainer.run_dir().path().to_owned();
            // These images have no attributes: the classifier and the reconstruction are off.
            let loss = trainer.run_dir().config().unwrap().loss;
            assert_eq!((loss.attributes.weight, loss.reconstruction.weight), (0.0, 0.0.into()));
            let table = fs::read_to_string(run.join("bad_files.tsv")).unwrap();
            assert!(table.contains("05.jpg\ta web page"), "{table}");
            assert_eq!(run_to(&mut trainer, 2), Outcome::Stopped);
            // A missing file is replaced by another one and counted.
            let victim = images.join("17.jpg");
            fs::rename(&victim, home.path().join("gone")).unwrap();
            run_whole(&mut trainer);
            fs::rename(home.path().join("gone"), &victim).unwrap();
            assert!(trainer.progress().substituted > 0);
            let rows = stats(&run);
            assert_eq!(rows.last().unwrap()["Data/substituted"], trainer.progress().substituted as f64);
            rows
        })
        .collect();
    assert!(lefts[0] == lefts[1], "the number of workers changes which image takes the place");

    // If most files are missing, the run stops with its last intact checkpoint.
    let mut trainer = Trainer::create(on_folder(&images, &[]), Components::new(), &out).unwrap();
    run_to(&mut trainer, 2);
    for i in (0..60).filter(|i| i % 3 > 0) {
        fs::write(images.join(format!("{i:02}.jpg")), b"").unwrap();
    }
    let message = trainer.run(|_| ControlFlow::Continue(())).unwrap_err().to_string();
    assert!(message.contains("could not be read and were replaced by others"), "{message}");
}

#[test]
fn too_few_images_for_a_batch_are_an_error_before_the_run_begins() {
    let home = tempfile::tempdir().unwrap();
    let mut files: Vec<_> = (0..6).map(|i| (format!("{i}.jpg"), jpeg(16, 16))).collect();
    files[3..].iter_mut().for_each(|(_, bytes)| bytes.clear());
    folder(home.path(), &files);
    let message = Trainer::create(on_folder(home.path(), &[]), Components::new(), home.path())
        .err()
        .unwrap()
        .to_string();
    assert!(message.contains("usable training images do not fill a batch of 4"), "{message}");
    let folders = fs::read_dir(home.path()).unwrap().filter(|entry| entry.as_ref().unwrap().path().is_dir());
    assert_eq!(folders.count(), 0, "a run folder was left behind");
}

#[test]
fn one_image_is_refused_before_the_run_begins() {
    let home = tempfile::tempdir().unwrap();
    folder(home.path(), &[("a.jpg".into(), jpeg(32, 32))]);
    for dry in [&["-n"][..], &[]] {
        let ran = run(home.path(), &[&["train", "--data", "folder:."], dry].concat());
        assert!(ran.code == 1 && ran.err.contains("two captioned images"), "{}", ran.err);
        assert!(ran.err.contains("found 1\nhint: "), "{}", ran.err);
    }
    assert!(!home.path().join("runs").exists());
}

#[test]
fn warnings_have_no_colour_without_a_terminal() {
    let home = tempfile::tempdir().unwrap();
    let files: Vec<_> = (0..12).map(|i| (format!("{i}.jpg"), jpeg(32, 32))).collect();
    folder(home.path(), &files);
    let ran = run(home.path(), &["train", "-n", "--data", "folder:."]);
    assert!(ran.code == 0 && ran.err.contains("WARN no training image has attributes"), "{}", ran.err);
    assert!(!ran.err.contains('\u{1b}'), "{:?}", ran.err);
}

/// Without a test part the samples use another part, and there is nothing to measure on.
#[test]
fn a_folder_without_a_part_for_tests_trains() {
    let home = tempfile::tempdir().unwrap();
    let images = home.path().join("images");
    fs::create_dir(&images).unwrap();
    let files: Vec<_> = (0..12).map(|i| (format!("{i}.jpg"), jpeg(16, 16))).collect();
    folder(&images, &files);
    let mut config = on_folder(&images, &[]);
    if let DataConfig::Folder(folder) = &mut config.data {
        folder.split.test_fraction = 0.0;
    }
    let mut trainer = Trainer::create(config, Components::new(), home.path()).unwrap();
    assert_eq!(run_to(&mut trainer, 2), Outcome::Stopped);
    let folder = trainer.run_dir().path().to_owned();
    assert!(folder.join("reals.png").exists());
    let ran = run(home.path(), &["metrics", folder.to_str().unwrap()]);
    assert!(ran.code == 1 && ran.err.contains("the test split has no images\nhint: "), "{}", ran.err);
}

#[test]
fn captions_of_any_kind_train_and_empty_ones_are_counted() {
    let home = tempfile::tempdir().unwrap();
    let long = "long ".repeat(10_000);
    let captions = [
        long.as_str(),
        "🙂🙃 👩🏽‍🦱",
        "رجل ملتح ذو شعر أسود",
        "a\u{0}b",
        "\u{202e}backwards",
        "qwertyuiop zxcvbnm",
        "...",
        "<pad> <unk>",
        "e\u{301}\u{301}\u{301}",
    ];
    let mut list = Vec::new();
    for (i, caption) in captions.iter().cycle().take(36).enumerate() {
        fs::write(home.path().join(format!("{i}.jpg")), jpeg(16, 16)).unwrap();
        list.push(serde_json::json!({"file_name": format!("{i}.jpg"), "text": caption}).to_string());
    }
    for (i, empty) in ["", "   ", "\n\t"].into_iter().enumerate() {
        fs::write(home.path().join(format!("empty{i}.jpg")), jpeg(16, 16)).unwrap();
        list.push(serde_json::json!({"file_name": format!("empty{i}.jpg"), "text": empty}).to_string());
    }
    list.push(r#"{"file_name": "0.jpg", "text": null}"#.into());
    let metadata = home.path().join("metadata.jsonl");
    fs::write(&metadata, list.join("\r\n")).unwrap();
    let config = on_folder(home.path(), &["schedule.stable_kimg=[0.04,0]", "schedule.fade_kimg=[0,0.04]"]);
    let splits = config.data.open(8).unwrap();
    assert_eq!(splits.report.images, 36);
    assert_eq!(splits.report.dropped_captions, 3);
    let mut trainer = Trainer::create(config.clone(), Components::new(), home.path().join("out")).unwrap();
    run_whole(&mut trainer);

    let mut bytes = fs::read(&metadata).unwrap();
    let at = bytes.windows(5).position(|window| window == b"qwert").unwrap();
    bytes[at] = 0xff;
    fs::write(&metadata, bytes).unwrap();
    let message = config.data.open(8).err().unwrap().to_string();
    assert!(
        message.contains("metadata.jsonl: not UTF-8 text at byte") && message.contains("in line 6"),
        "{message}"
    );
}

#[test]
fn five_hundred_corrupt_files_are_each_taken_or_left_with_a_reason() {
    use t2f_ops::rng::{Key, below};
    let home = tempfile::tempdir().unwrap();
    let good = [jpeg(24, 24), encoded(&image::load_from_memory(&jpeg(24, 24)).unwrap(), ImageFormat::Png)];
    let mut draw = Key::new(9).rng();
    let files: Vec<(String, Vec<u8>)> = (0..500)
        .map(|i| {
            let mut bytes = good[i % 2].clone();
            for _ in 0..1 + below(&mut draw, 3) {
                let at = below(&mut draw, bytes.len());
                bytes[at] ^= 1 << below(&mut draw, 8);
            }
            if i % 5 == 0 {
                bytes.truncate(below(&mut draw, bytes.len()));
            }
            (format!("{i:03}.jpg"), bytes)
        })
        .collect();
    let splits = open(&folder(home.path(), &files)).unwrap();
    assert_eq!(splits.report.images + splits.report.bad.len(), 500);
    assert!(splits.report.bad.len() > 250, "{} were refused", splits.report.bad.len());
    assert!(splits.report.bad.iter().all(|bad| !bad.reason.is_empty()));
}

#[test]
fn missing_data_is_reported_with_a_hint() {
    let home = tempfile::tempdir().unwrap();
    fs::create_dir(home.path().join("faces")).unwrap();
    for (data, parts) in [
        ("folder:fases", ["no such folder", "faces"]),
        ("folder:faces", ["no image and no metadata file", "hint: "]),
        ("lfw:faces,clean.json", ["no captions there", "procedural"]),
    ] {
        let ran = run(home.path(), &["train", "--data", data]);
        assert!(ran.code == 1 && parts.iter().all(|part| ran.err.contains(part)), "{data}: {}", ran.err);
    }
}
