//! Damage is found and named, and an older intact checkpoint is loaded.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use candle_core::Device;
use rand_core::Rng;
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use t2f_files::disk::OsDisk;
use t2f_ops::rng::{Key, below};
use t2f_tests::{draft, step_of};
use t2f_train::checkpoint::load_latest;
use t2f_train::components::Components;
use t2f_train::model::Model;
use t2f_train::trainer::Trainer;

use crate::program::run;
use crate::tiny::{config, run_to};

/// `count` damaged forms of some bytes: the first `cuts` are truncated, the others have a flipped bit.
fn damaged(good: &[u8], cuts: usize, count: usize, seed: u64) -> impl Iterator<Item = Vec<u8>> {
    let mut draw = Key::new(seed).child("damage").rng();
    (0..count).map(move |i| {
        let at = below(&mut draw, good.len());
        if i < cuts {
            return good[..at].to_vec();
        }
        let mut bad = good.to_vec();
        bad[at] ^= 1 << (draw.next_u64() % 8);
        bad
    })
}

#[test]
fn any_damage_to_a_checkpoint_is_found_and_the_previous_one_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    draft(1).commit(&OsDisk, folder.path(), 3).unwrap();
    let newest = draft(2).commit(&OsDisk, folder.path(), 3).unwrap();
    let files: Vec<_> = fs::read_dir(&newest).unwrap().map(|entry| entry.unwrap().path()).collect();
    let mut flips = 0;
    for (seed, file) in files.iter().enumerate() {
        let good = fs::read(file).unwrap();
        let name = file.file_name().unwrap().to_str().unwrap();
        // A changed manifest may have the same meaning; it contains no white space.
        for bad in damaged(&good, 13, 213, seed as u64) {
            fs::write(file, &bad).unwrap();
            let found = load_latest(folder.path()).unwrap();
            let same = name == "manifest.json" && step_of(&found) == 2;
            assert!(same || step_of(&found) == 1, "{name}");
            if !same && name != "manifest.json" {
                assert!(found.passed_over()[0].contains(name), "{:?}", found.passed_over());
            }
            flips += 1;
        }
        fs::write(file, &good).unwrap();
    }
    assert!(flips > 1000);
    assert_eq!(step_of(&load_latest(folder.path()).unwrap()), 2);
}

#[test]
fn a_damaged_tensor_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = draft(2).commit(&OsDisk, folder.path(), 3).unwrap().join("g_params.safetensors");
    let mut bytes = fs::read(&file).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&file, bytes).unwrap();
    let message = load_latest(folder.path()).unwrap_err().to_string();
    assert!(message.contains("g_params.safetensors is damaged in b"), "{message}");
}

/// A run of a few steps, and its folder.
fn short_run(out: &Path) -> std::path::PathBuf {
    let mut trainer = Trainer::create(config(&[]), Components::new(), out).unwrap();
    run_to(&mut trainer, 12);
    trainer.run_dir().path().to_owned()
}

#[test]
fn any_damage_to_a_model_is_found() {
    let out = tempfile::tempdir().unwrap();
    let good = fs::read(short_run(out.path()).join("model.safetensors")).unwrap();
    assert!(Model::from_bytes(&good, &Device::Cpu, &Components::new()).is_ok());
    for (i, bad) in damaged(&good, 64, 1064, 5).enumerate() {
        let message = Model::from_bytes(&bad, &Device::Cpu, &Components::new())
            .err()
            .unwrap_or_else(|| panic!("damage {i}"));
        assert!(!message.to_string().is_empty());
    }
}

#[test]
fn a_resume_from_a_damaged_run_warns_and_goes_on_or_says_what_is_wrong() {
    let out = tempfile::tempdir().unwrap();
    let of_run = short_run(out.path());
    let damage = |name: &str, change: &dyn Fn(&mut Vec<u8>)| {
        let path = of_run.join(name);
        let good = fs::read(&path).unwrap();
        let mut bad = good.clone();
        change(&mut bad);
        fs::write(&path, bad).unwrap();
        move || fs::write(&path, &good).unwrap()
    };
    let resume = || run(out.path(), &["train", "--resume", of_run.to_str().unwrap()]);

    let undo = damage("config.toml", &|bytes| bytes.truncate(bytes.len() / 2));
    let ran = resume();
    assert!(ran.code == 1 && ran.err.contains("config.toml"), "{}", ran.err);
    undo();
    let undo = damage("config.toml", &|bytes| bytes[1] = 0xff);
    let ran = resume();
    assert!(ran.code == 1 && ran.err.contains("config.toml"), "{}", ran.err);
    undo();

    let undo = damage("config.toml", &|bytes| {
        let text = String::from_utf8(bytes.clone()).unwrap();
        *bytes = text.replace("seed = 0", "seed = 1").into_bytes();
    });
    let ran = resume();
    assert!(
        ran.code == 1 && ran.err.contains("edited or damaged") && ran.err.contains("# edited"),
        "{}",
        ran.err
    );
    undo();

    // The newest checkpoint, in its optimiser's state.
    let _ =
        damage("checkpoints/step-00000012/g_optimizer.safetensors", &|bytes| *bytes.last_mut().unwrap() ^= 4);
    // A digit of the statistics, so that the line is still valid JSON.
    let _ = damage("stats.jsonl", &|bytes| bytes[25] ^= 1);
    let ran = resume();
    assert_eq!(ran.code, 0, "{}", ran.err);
    for needle in [
        "damaged checkpoint skipped",
        "g_optimizer.safetensors is damaged in",
        "step-00000010",
        "every hash verified",
        "1 lines of the statistics cannot be read, line 1",
    ] {
        assert!(ran.err.contains(needle), "{needle}: {}", ran.err);
    }
}

/// The model file with changed tensors and without the hash, as by another program.
fn rewritten(good: &[u8], change: impl Fn(&mut BTreeMap<String, (Dtype, Vec<usize>, Vec<u8>)>)) -> Vec<u8> {
    let (_, header) = SafeTensors::read_metadata(good).unwrap();
    let metadata = header.metadata().clone().unwrap()["t2f"][64..].to_owned();
    let file = SafeTensors::deserialize(good).unwrap();
    let mut tensors: BTreeMap<String, (Dtype, Vec<usize>, Vec<u8>)> = file
        .iter()
        .map(|(name, view)| (name.to_owned(), (view.dtype(), view.shape().to_vec(), view.data().to_vec())))
        .collect();
    change(&mut tensors);
    let views = tensors.iter().map(|(name, (dtype, shape, data))| {
        (name.clone(), TensorView::new(*dtype, shape.clone(), data).unwrap())
    });
    safetensors::serialize(views, Some([("t2f".to_owned(), metadata)].into())).unwrap()
}

#[test]
fn tensors_that_do_not_fit_are_all_listed() {
    let out = tempfile::tempdir().unwrap();
    let good = fs::read(short_run(out.path()).join("model.safetensors")).unwrap();
    let load = |bytes: &[u8]| Model::from_bytes(bytes, &Device::Cpu, &Components::new());
    assert!(load(&rewritten(&good, |_| {})).is_ok(), "files without a hash are accepted");

    let names: Vec<String> = {
        let file = SafeTensors::deserialize(&good).unwrap();
        let mut names: Vec<String> = file.names().iter().map(|name| name.to_string()).collect();
        names.sort();
        names
    };
    let bad = rewritten(&good, |tensors| {
        for (name, value) in [(&names[0], f32::NAN), (&names[3], f32::NEG_INFINITY)] {
            tensors.get_mut(name).unwrap().2[..4].copy_from_slice(&value.to_le_bytes());
        }
    });
    let message = load(&bad).err().unwrap().to_string();
    assert!(message.contains(&format!("NaN or infinity in {}, {}", names[0], names[3])), "{message}");

    let bad = rewritten(&good, |tensors| {
        tensors.remove(&names[0]).unwrap();
        let (_, shape, _) = tensors.get(&names[1]).unwrap().clone();
        let count: usize = shape.iter().product();
        tensors.insert(names[1].clone(), (Dtype::F64, shape, vec![0; 8 * count]));
        let (_, shape, data) = tensors.get_mut(&names[2]).unwrap();
        shape.push(2);
        let twice = [data.as_slice(), data.as_slice()].concat();
        *data = twice;
        tensors.insert("extra".into(), (Dtype::F32, vec![1], vec![0; 4]));
    });
    let message = load(&bad).err().unwrap().to_string();
    let wanted = [
        format!("missing {}", names[0]),
        format!("{} is ", names[1]),
        "F64".to_owned(),
        format!("{} is ", names[2]),
        "unexpected extra".to_owned(),
    ];
    assert!(wanted.iter().all(|part| message.contains(part)), "{message}");
}

#[test]
fn a_model_that_promises_sizes_beyond_all_memory_is_refused() {
    let out = tempfile::tempdir().unwrap();
    let good = fs::read(short_run(out.path()).join("model.safetensors")).unwrap();
    let find = |bytes: &[u8], text: &str| {
        let found = bytes.windows(text.len()).position(|window| window == text.as_bytes());
        found.unwrap_or_else(|| panic!("{text}")) + text.len()
    };
    for key in ["hidden_size", "embedding_size", "layers", "latent_size", "compressed_size"] {
        let from = find(&good, &format!("\\\"{key}\\\":"));
        let digits = good[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let mut bad = good.clone();
        bad.splice(from..from + digits, *b"4611686018427387904");
        let grown = (u64::from_le_bytes(good[..8].try_into().unwrap()) + 19 - digits as u64).to_le_bytes();
        bad[..8].copy_from_slice(&grown);
        // Without the hash, which would already refuse the file.
        let hash = find(&bad, "\"t2f\":\"");
        bad[hash..hash + 64].fill(b' ');
        let message = Model::from_bytes(&bad, &Device::Cpu, &Components::new()).err().unwrap().to_string();
        assert!(message.contains(key) && message.contains("expected at most"), "{key}: {message}");
    }
}
