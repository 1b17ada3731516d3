//! Fault injection: disks that fail, lose data or fill up, processes killed at random moments, and
//! mutated bytes for every parser.
//!
//! The tests of this package inject each fault a few times; the program `faults` injects them for a given
//! time.

pub mod crash;
pub mod disks;
pub mod fuzz;
pub mod kill;
#[cfg(doctest)]
mod readmes;

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};
use t2f_train::checkpoint::{Checkpoint, Draft};

/// A small checkpoint of a step, with two files of tensors.
pub fn draft(step: u64) -> Draft {
    let mut draft = Draft::new(step, &BTreeMap::from([("step", step)])).expect("a state can be written");
    for (file, size) in [("g_params.safetensors", 40), ("g_ema.safetensors", 10)] {
        let values: Vec<f32> = (0..size).map(|i| (i * step) as f32).collect();
        let tensor = Tensor::new(values, &Device::Cpu).expect("a tensor can be made");
        let tensors = BTreeMap::from([("a".to_owned(), tensor.clone()), ("b".to_owned(), tensor)]);
        draft.tensors(file, &tensors).expect("tensors can be written");
    }
    draft.text("tokenizer.json", "{}".into());
    draft
}

/// The step of a checkpoint of [`draft`].
pub fn step_of(checkpoint: &Checkpoint) -> u64 {
    checkpoint.state::<BTreeMap<String, u64>>().map_or(0, |state| state["step"])
}
