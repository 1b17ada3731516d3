//! The Inception network against the code of pytorch-fid, torch-fidelity and clean-fid, run by
//! `goldens/inception.py` on weights and images that both sides compute.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};
use t2f_data::Image;
use t2f_metrics::Result;
use t2f_metrics::features::FeatureExtractor;
use t2f_metrics::inception::{Inception, Resize};
use t2f_metrics::resize::pil_bicubic;
use t2f_metrics::state_dict::StateDict;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens").join(name)
}

/// Numbers in [0, 1) from a tensor's name and the positions of its elements.
fn numbers(name: &str, count: usize) -> impl Iterator<Item = f32> {
    let seed =
        name.bytes().fold(0x811c_9dc5_u32, |seed, byte| (seed ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    (0..count as u32).map(move |element| {
        let z = element.wrapping_mul(0x9e37_79b9).wrapping_add(seed);
        let z = (z ^ (z >> 16)).wrapping_mul(0x7feb_352d);
        let z = (z ^ (z >> 15)).wrapping_mul(0x846c_a68b);
        ((z ^ (z >> 16)) >> 8) as f32 * 2f32.powi(-24)
    })
}

fn weight(name: &str, shape: &[usize]) -> Tensor {
    let count = shape.iter().product::<usize>();
    let values: Vec<f32> = if name.ends_with("bn.weight") || name.ends_with("running_var") {
        numbers(name, count).map(|u| 0.8 + 0.4 * u).collect()
    } else if shape.len() == 1 {
        numbers(name, count).map(|u| 0.4 * u - 0.2).collect()
    } else {
        let bound = (6.0 / (count / shape[0]) as f64).sqrt() as f32;
        numbers(name, count).map(|u| (2.0 * u - 1.0) * bound).collect()
    };
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

fn image(index: usize) -> Image {
    let side = 40;
    let value = |i: usize| {
        let (y, x, c) = (i / 3 / side, i / 3 % side, i % 3);
        ((x * 5 + y * (3 + index) + c * 60 + (x * y) % 17 * 6 + index * 90) % 256) as u8
    };
    Image { width: side, height: side, pixels: (0..3 * side * side).map(value).collect() }
}

/// What the network misses of no weights at all: all names and shapes.
fn all_weights() -> BTreeMap<String, Tensor> {
    let names = std::fs::read_to_string(golden("inception.names")).unwrap();
    let line = |line: &str| {
        let (name, shape) = line.split_once(' ').unwrap();
        let shape: Vec<usize> = shape.split('x').map(|side| side.parse().unwrap()).collect();
        (name.to_owned(), weight(name, &shape))
    };
    names.lines().map(line).collect()
}

fn compare(found: &Tensor, golden: &Tensor, what: &str) -> Result<()> {
    assert_eq!(found.dims(), golden.dims(), "{what}");
    let apart = found.sub(golden)?.abs()?.max_all()?.to_scalar::<f32>()?;
    let largest = golden.abs()?.max_all()?.to_scalar::<f32>()?;
    assert!(apart < 1e-4 * largest.max(1.0), "{what}: {apart} apart, values up to {largest}");
    Ok(())
}

#[test]
fn features_and_resizing_are_those_of_the_references() -> Result<()> {
    let goldens = candle_core::safetensors::load(golden("inception.safetensors"), &Device::Cpu)?;
    let images = [image(0), image(1)];
    let weights = all_weights();
    for (resize, count) in [(Resize::Tensorflow, 2), (Resize::Pytorch, 1), (Resize::Clean, 1)] {
        let network = Inception::new(StateDict::of(weights.clone()), resize, &Device::Cpu)?;
        let features = network.extract(&images[..count])?;
        compare(&features.rows, &goldens[resize.name()], resize.name())?;
        if resize == Resize::Tensorflow {
            compare(
                &features.probabilities.unwrap().narrow(0, 0, 1)?,
                &goldens["probabilities"],
                "probabilities",
            )?;
        }
        assert!(network.name().starts_with(&format!("inception_{}_unverified", resize.name())));
    }
    let planes = Tensor::from_vec(pil_bicubic(&images[0], 299), (3, 299, 299), &Device::Cpu)?;
    let green = planes.get(1)?;
    let lines = Tensor::stack(&[green.get(150)?, green.get_on_dim(1, 37)?], 0)?;
    compare(&lines, &goldens["clean_picture"], "Pillow's bicubic filter")?;
    Ok(())
}

#[test]
fn weights_that_do_not_fit_are_listed() -> Result<()> {
    let mut weights = all_weights();
    weights.remove("Mixed_6b.branch7x7_2.conv.weight");
    weights.insert("fc.bias".into(), weight("fc.bias", &[1000]));
    weights.insert("AuxLogits.fc.bias".into(), weight("x", &[2]));
    let error =
        Inception::new(StateDict::of(weights), Resize::Clean, &Device::Cpu).err().unwrap().to_string();
    for needle in [
        "Mixed_6b.branch7x7_2.conv.weight is missing",
        "fc.bias is [1000], expected [1008]",
        "AuxLogits.fc.bias is unknown",
    ] {
        assert!(error.contains(needle), "{error}");
    }
    let error = Inception::new(StateDict::of(BTreeMap::new()), Resize::Clean, &Device::Cpu).err().unwrap();
    assert!(error.to_string().contains("more"), "{error}");
    Ok(())
}

#[test]
fn both_forms_of_pth_give_the_same_tensors() -> Result<()> {
    let mut hashes = Vec::new();
    for form in ["zip.pth", "legacy.pth"] {
        let mut weights = StateDict::read(&golden(form))?;
        hashes.push(weights.hash()?);
        assert_eq!(weights.sha256().len(), 64);
        let matrix = weights.take("b.weight", &[2, 3])?.to_vec2::<f32>()?;
        assert_eq!(matrix, [[0., 1., 2.], [3., 4., 5.]], "{form}");
        assert_eq!(weights.take("a.bias", &[2])?.to_vec1::<f32>()?, [1.5, -2.0], "{form}");
        assert_eq!(weights.take("half", &[2])?.to_vec1::<f32>()?, [0.5, 0.25], "{form}");
        weights.finish(|name| name == "n")?;
    }
    assert_eq!(hashes[0], hashes[1]);
    Ok(())
}

#[test]
fn files_that_are_torn_or_something_else_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights");
    let legacy = std::fs::read(golden("legacy.pth")).unwrap();
    let zip = std::fs::read(golden("zip.pth")).unwrap();
    for bytes in [&legacy[..legacy.len() - 3], &legacy[..40], &zip[..300], b"<html>", b""] {
        std::fs::write(&path, bytes).unwrap();
        let message = StateDict::read(&path).err().unwrap().to_string();
        assert!(message.contains("expected a .pth or .safetensors file"), "{message}");
    }
}
