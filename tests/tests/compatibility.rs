//! Configurations, runs and models of version 0.1 keep working.
//!
//! `tests/fixtures` holds files that version 0.1 wrote, and the tensors and images that it computed
//! from them. The CPU's kernels round differently at each processor level, so bits are compared on
//! processors of the level that the fixture was made on, and values within a tolerance on others.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use candle_core::{DType, Tensor};
use flate2::read::GzDecoder;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use t2f_files::tensors;
use t2f_train::config::Config;
use toml::{Table, Value};

use crate::program::run;

/// Largest difference of a mean or root mean square of a tensor on a processor of another level, and that of most
/// tensors. Some gradients of these small networks are near 0, and Adam steps by their sign: learning rates that
/// differ by a ten-millionth move a mean by up to 0.0054.
const TOLERANCE: f64 = 1e-2;
const USUAL_TOLERANCE: f64 = 1e-3;
/// Largest difference of a pixel on a processor of another level, of 255, before the training continues. What follows
/// from the differences above is larger, so that later images are compared by their bits alone.
const PIXEL_TOLERANCE: u8 = 2;
const CAPTIONS: [&str; 2] = ["a bald man with a beard", "a young woman with long red hair and glasses"];

/// Tensor files of a checkpoint: the name in version 0.1, then the names in later versions.
const FILES: [[&str; 2]; 3] = [["painter", "g_params"], ["discriminator", "d_params"], ["average", "g_ema"]];
/// Tensors that later versions renamed: the beginning of a name in version 0.1, then the present one.
const RENAMED: [(&str, &str); 0] = [];

/// `final.json`.
#[derive(Deserialize)]
struct Expected {
    processor: String,
    runs: BTreeMap<String, FinalState>,
}

#[derive(Deserialize)]
struct FinalState {
    step: u64,
    files: BTreeMap<String, BTreeMap<String, Summary>>,
}

/// The summary of a tensor.
#[derive(Debug, Deserialize)]
struct Summary {
    sha256: String,
    mean: f64,
    rms: f64,
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

/// The contents of a file of the fixture, decompressed.
fn read(path: &Path) -> Vec<u8> {
    let bytes = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    if path.extension().is_none_or(|extension| extension != "gz") {
        return bytes;
    }
    let mut contents = Vec::new();
    GzDecoder::new(bytes.as_slice()).read_to_end(&mut contents).unwrap();
    contents
}

/// Copies a folder of the fixture, decompressing what is compressed.
fn unpack(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let target = to.join(name.strip_suffix(".gz").unwrap_or(name));
        if path.is_dir() {
            unpack(&path, &target);
        } else {
            fs::write(target, read(&path)).unwrap();
        }
    }
}

/// The level of the CPU's kernels.
fn processor() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") {
            return "avx512f";
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            return "avx2";
        }
    }
    std::env::consts::ARCH
}

fn expected() -> Expected {
    serde_json::from_slice(&read(&fixtures().join("run-0.1/final.json.gz"))).unwrap()
}

/// The present name of a tensor of version 0.1.
fn renamed(name: &str) -> String {
    let found = RENAMED.iter().find_map(|(old, new)| Some(format!("{new}{}", name.strip_prefix(old)?)));
    found.unwrap_or_else(|| name.to_owned())
}

fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.to_dtype(DType::F32).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

/// Compares a tensor with its summary, bits where `exact`: the difference of mean or root mean square.
fn compare(name: &str, tensor: &Tensor, summary: &Summary, exact: bool) -> f64 {
    let values = values(tensor);
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    let count = values.len() as f64;
    let mean = values.iter().map(|&x| f64::from(x)).sum::<f64>() / count;
    let rms = (values.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / count).sqrt();
    let difference = (mean - summary.mean).abs().max((rms - summary.rms).abs());
    assert!(difference <= TOLERANCE, "{name}: mean {mean}, root mean square {rms}, expected {summary:?}");
    let hash: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(!exact || hash == summary.sha256, "{name} differs in its bits: mean {mean}, {summary:?}");
    difference
}

/// The tensors of a file of a checkpoint, by its name in version 0.1.
fn tensors_of(checkpoint: &Path, file: &str) -> BTreeMap<String, Tensor> {
    let names = FILES.iter().find(|names| names[0] == file).expect("the fixture names known files");
    let path = names.iter().map(|name| checkpoint.join(format!("{name}.safetensors")));
    let path = path.into_iter().find(|path| path.exists());
    let path = path.unwrap_or_else(|| panic!("{} holds none of {names:?}", checkpoint.display()));
    tensors::from_bytes(&fs::read(path).unwrap()).unwrap().0
}

/// Generates from the model of a run and compares the images with those of version 0.1.
fn compare_images(folder: &Path, of_run: &str, kept: &str, exact: bool) {
    let out = format!("images-{kept}");
    let arguments = ["generate", "--model", of_run, "--device", "cpu", "--seeds", "0-1", "--no-provenance"];
    let ran = run(folder, &[&arguments[..], &["--out", &out], &CAPTIONS].concat());
    assert_eq!(ran.code, 0, "{}", ran.err);
    let kept = fixtures().join("run-0.1/pixels").join(kept);
    let mut count = 0;
    for entry in fs::read_dir(kept).unwrap() {
        let old = entry.unwrap().path();
        let new = folder.join(&out).join(old.file_name().unwrap());
        let pixels = |path: &Path| {
            let image = image::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            image.to_rgb8()
        };
        let (old, new) = (pixels(&old), pixels(&new));
        assert_eq!(old.dimensions(), new.dimensions());
        let most = old.iter().zip(new.iter()).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
        assert!(most <= if exact { 0 } else { PIXEL_TOLERANCE }, "a pixel differs by {most}");
        count += 1;
    }
    assert_eq!(count, 4);
}

/// Resumes a run of version 0.1, and compares its end and its images with those of version 0.1.
fn continues(name: &str) {
    let folder = tempfile::tempdir().unwrap();
    unpack(&fixtures().join("run-0.1/runs").join(name), &folder.path().join(name));
    unpack(&fixtures().join("run-0.1/faces"), &folder.path().join("faces"));
    let expected = expected();
    let exact = processor() == expected.processor;
    compare_images(folder.path(), name, &format!("{name}-mid"), exact);

    let ran = run(folder.path(), &["train", "--resume", name, "--plain"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let checkpoints = folder.path().join(name).join("checkpoints");
    let checkpoint = checkpoints.join(fs::read_to_string(checkpoints.join("LATEST")).unwrap());
    let state = &expected.runs[name];
    assert!(checkpoint.ends_with(format!("step-{:08}", state.step)), "{}", checkpoint.display());
    assert!(!state.files.is_empty());
    let mut differences = Vec::new();
    for (file, summaries) in &state.files {
        let found = tensors_of(&checkpoint, file);
        assert_eq!(found.len(), summaries.len(), "{file}: {:?}", found.keys());
        for (tensor, summary) in summaries {
            let now = renamed(tensor);
            let found = found.get(&now).unwrap_or_else(|| panic!("{file} has no {now}"));
            differences.push(compare(&format!("{file}: {tensor}"), found, summary, exact));
        }
    }
    differences.sort_by(f64::total_cmp);
    let usual = differences[differences.len() / 2];
    assert!(usual <= USUAL_TOLERANCE, "half of the tensors differ by {usual} and more");
    if exact {
        compare_images(folder.path(), name, &format!("{name}-final"), exact);
    }
}

#[test]
fn a_run_with_every_part_on_continues_to_the_same_parameters_and_images() {
    continues("everything");
}

#[test]
fn a_run_on_an_image_folder_continues_to_the_same_parameters_and_images() {
    continues("captions");
}

/// The configuration of the fixture, and one for each variant.
fn configurations() -> Vec<Table> {
    let text = String::from_utf8(read(&fixtures().join("configuration-0.1.toml"))).unwrap();
    let mut base: Table = text.parse().unwrap();
    let Some(Value::Array(variants)) = base.remove("variant") else { panic!("no variants") };
    let varied = variants.into_iter().map(|variant| {
        let mut table = base.clone();
        table.extend(variant.try_into::<Table>().unwrap());
        table
    });
    std::iter::once(base.clone()).chain(varied).collect()
}

fn resolved(table: &Table) -> Config {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    fs::write(&path, toml::to_string(table).unwrap()).unwrap();
    Config::from_file(&path).unwrap_or_else(|error| panic!("{error}"))
}

/// The table without each of its leaves in turn, and the path of the leaf.
fn without_each(table: &Table) -> Vec<(String, Table)> {
    let mut all = Vec::new();
    for (key, value) in table {
        if let Value::Table(inner) = value {
            for (path, rest) in without_each(inner) {
                let mut outer = table.clone();
                outer.insert(key.clone(), Value::Table(rest));
                all.push((format!("{key}.{path}"), outer));
            }
        } else {
            let mut rest = table.clone();
            rest.remove(key);
            all.push((key.clone(), rest));
        }
    }
    all
}

#[test]
fn every_key_of_an_old_configuration_is_read() {
    let mut keys = std::collections::BTreeSet::new();
    for table in configurations() {
        let config = resolved(&table);
        config.check().unwrap_or_else(|error| panic!("{error}"));
        // A key that is left out leaves another configuration: the key was read.
        for (key, rest) in without_each(&table) {
            let kind =
                key.ends_with(".kind") || ["data.images", "data.captions", "data.path"].contains(&&*key);
            assert!(kind || resolved(&rest) != config, "{key} is not read");
            keys.insert(key);
        }
    }
    assert_eq!(keys.len(), 106);
}
