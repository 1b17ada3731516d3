//! The benchmark computes the losses and gradients of its PyTorch twin, and `t2f bench` measures in turn
//! with programs of the twin's protocol.

use std::fs;
use std::path::Path;

use candle_core::Device;
use serde_json::{Value, json};
use t2f::cli::bench::benchmark::{Benchmark, Loss, Parity};
use t2f_train::config::Precision;

use crate::program::run;

const GOLDEN: &str = include_str!("../../experiments/peer-pytorch/golden.json");

fn parity(benchmark: &Benchmark) -> Parity {
    benchmark.parity(&Device::Cpu).unwrap()
}

#[test]
fn losses_and_gradients_are_those_of_the_pytorch_twin() {
    let cases: Vec<Value> = serde_json::from_str(GOLDEN).unwrap();
    assert!(cases.len() >= 4);
    for case in cases {
        let benchmark: Benchmark = serde_json::from_value(case["benchmark"].clone()).unwrap();
        let twin: Parity = serde_json::from_value(case["parity"].clone()).unwrap();
        let ours = parity(&benchmark);
        assert_eq!(ours.mix, twin.mix, "the images of the twin's penalty differ: {benchmark:?}");
        let distance = ours.loss_distance(&twin).max(ours.gradient_distance(&twin));
        assert!(distance < 1e-4, "{distance}: {ours:?}, expected {twin:?}");
    }
}

/// With `bf16` each layer rounds to 8 bits of precision.
#[test]
fn losses_and_gradients_of_bf16_are_near_those_of_the_twin() {
    let cases: Vec<Value> = serde_json::from_str(GOLDEN).unwrap();
    for case in cases {
        let benchmark: Benchmark = serde_json::from_value(case["benchmark"].clone()).unwrap();
        let twin: Parity = serde_json::from_value(case["parity"].clone()).unwrap();
        let ours = parity(&Benchmark { precision: Precision::Bf16, ..benchmark.clone() });
        let (loss, gradient) = (ours.loss_distance(&twin), ours.gradient_distance(&twin));
        assert!(loss > 1e-6, "feature maps are rounded");
        assert!(loss < 3e-2 && gradient < 0.1, "{loss}, {gradient}: {ours:?}, expected {twin:?}");
    }
}

/// Convolutions of 9·256·256 weights and 256 biases; 257 inputs after minibatch stddev; 128 feature maps
/// at 64x64.
#[test]
fn the_wide_network_has_t2fs_widths() {
    let conv = |kernel: usize, inputs: usize, outputs: usize| kernel * kernel * inputs * outputs + outputs;
    let blocks = 6 * conv(3, 256, 256) + conv(3, 256, 128) + conv(3, 128, 128);
    let rgb = 4 * conv(1, 256, 3) + conv(1, 128, 3);
    let first = 256 * 256 * 16 + 256 + conv(3, 256, 256);
    let generator = first + blocks + rgb;
    let discriminator = 4 * conv(1, 3, 256)
        + conv(1, 3, 128)
        + 6 * conv(3, 256, 256)
        + conv(3, 128, 128)
        + conv(3, 128, 256)
        + conv(3, 257, 256)
        + conv(1, 512, 32)
        + conv(1, 288, 256)
        + conv(4, 256, 256)
        + conv(1, 256, 1);
    let benchmark = Benchmark::wide(4, Loss::Ns);
    let rows = benchmark.parameter_table().unwrap();
    let count = |network: &str| -> usize {
        rows.iter().filter(|row| row.name.starts_with(network)).map(|row| row.count()).sum()
    };
    assert_eq!((count("generator."), count("discriminator.")), (generator, discriminator));
    assert_eq!(count("conditioning."), conv(1, 512, 256));
}

#[test]
fn every_step_changes_the_losses_and_they_stay_finite() {
    let tiny =
        Benchmark { channels: vec![8, 8], latent_size: 12, code_size: 8, ..Benchmark::wide(1, Loss::WganGp) };
    let mut training = tiny.training(&Device::Cpu).unwrap();
    let (first, second) = (training.step().unwrap(), training.step().unwrap());
    assert!([first.0, first.1, second.0, second.1].iter().all(|loss| loss.is_finite()));
    assert_ne!(first, second);
}

#[test]
fn bench_prints_a_row_and_writes_it_as_json() {
    let folder = tempfile::tempdir().unwrap();
    let ran = run(
        folder.path(),
        &[
            "bench",
            "--network",
            "narrow",
            "--resolutions",
            "4",
            "--loss",
            "ns",
            "--rounds",
            "1",
            "--steps",
            "1",
            "--json",
            "bench.json",
        ],
    );
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.out.contains("| narrow | 4 | ns |"), "{}", ran.out);
    let json: Value = serde_json::from_slice(&fs::read(folder.path().join("bench.json")).unwrap()).unwrap();
    let row = &json["rows"][0];
    assert_eq!((&row["resolution"], &row["loss"]), (&json!(4), &json!("ns")));
    assert!(row["step_ms"].as_f64().unwrap() > 0.0 && json["gemm_gflops"].as_f64().unwrap() > 0.0);
    assert!(row.get("peer_best_ms").is_none(), "there is no peer");
    if cfg!(target_os = "linux") {
        assert!(row["memory_mb"].as_f64().unwrap() > 1.0);
    }
}

#[test]
fn bench_measures_operators_and_a_whole_run() {
    let folder = tempfile::tempdir().unwrap();
    let measured = |arguments: &[&str]| -> Value {
        let ran = run(folder.path(), &[&["bench"], arguments, &["--json", "bench.json"]].concat());
        assert_eq!(ran.code, 0, "{}", ran.err);
        serde_json::from_slice(&fs::read(folder.path().join("bench.json")).unwrap()).unwrap()
    };
    let operators = measured(&["operators", "--network", "narrow", "--resolutions", "4"]);
    let operators = operators["operators"].as_array().unwrap();
    let conv = operators.iter().find(|row| row["name"] == "3x3 96→96, 4 px").unwrap();
    assert!(conv["forward_ms"].as_f64().unwrap() > 0.0 && conv["weight_gradient_ms"].as_f64().unwrap() > 0.0);

    let tiny = crate::tiny::SMALL.iter().flat_map(|line| ["--set", line]);
    let arguments: Vec<&str> = ["run", "--rounds", "1"].into_iter().chain(tiny).collect();
    let whole = &measured(&arguments)["run"];
    assert_eq!(whole["steps"], json!(40.0));
    assert!(whole["steps_ms"].as_f64().unwrap() < whole["whole_ms"].as_f64().unwrap());
    assert!(whole["start_ms"].as_f64().unwrap() < whole["whole_ms"].as_f64().unwrap());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "the runs are removed");
}

/// A shell script with the twin's protocol that reports two or three seconds per step.
#[cfg(unix)]
fn pretend_twin(folder: &Path, parity: &Parity) -> String {
    use std::os::unix::fs::PermissionsExt;
    fs::create_dir(folder.join("twin")).unwrap();
    fs::write(folder.join("twin/twin.py"), "").unwrap();
    let script = format!(
        r#"#!/bin/sh
case "$2" in
variants) echo '{{"variants": ["slow", "fast"], "torch": "9.9"}}' ;;
parity) echo '{}' ;;
step)
    echo '{{"ready": true}}'
    while read n; do
        ms=2000; [ "$3" = slow ] && ms=3000
        [ "$n" = 2 ] && ms="$ms, $ms"
        echo "{{\"ms\": [$ms], \"cpu_ms\": 5, \"memory_mb\": 1000}}"
    done ;;
esac
"#,
        serde_json::to_string(parity).unwrap()
    );
    let path = folder.join("python");
    fs::write(&path, script).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path.to_str().unwrap().to_owned()
}

#[cfg(unix)]
#[test]
fn the_fastest_variant_of_an_equal_peer_is_compared() {
    let folder = tempfile::tempdir().unwrap();
    let mut parity = parity(&Benchmark::narrow(0, Loss::Ns));
    let bench = |python: &str| {
        let common =
            ["--network", "narrow", "--resolutions", "4", "--loss", "ns", "--rounds", "2", "--steps", "1"];
        let peer = ["bench", "--peer", python, "--twin", "twin", "--json", "bench.json"];
        run(folder.path(), &[&peer[..], &common].concat())
    };
    let ran = bench(&pretend_twin(folder.path(), &parity));
    assert_eq!(ran.code, 0, "{}", ran.err);
    let json: Value = serde_json::from_slice(&fs::read(folder.path().join("bench.json")).unwrap()).unwrap();
    let row = &json["rows"][0];
    assert_eq!((&row["peer_variant"], &row["peer_best_ms"]), (&json!("fast"), &json!(2000.0)));
    assert_eq!((&row["peer_memory_mb"], &json["torch"]), (&json!(1000.0), &json!("9.9")));

    fs::remove_dir_all(folder.path().join("twin")).unwrap();
    parity.generator_loss *= 1.001;
    let ran = bench(&pretend_twin(folder.path(), &parity));
    assert!(ran.code == 1 && ran.err.contains("computes another step"), "{}", ran.err);
    fs::remove_dir_all(folder.path().join("twin")).unwrap();
    let ran = bench("python");
    assert!(ran.code == 1 && ran.err.contains("--twin"), "{}", ran.err);
}
