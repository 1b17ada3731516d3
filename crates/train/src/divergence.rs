//! Divergence: a loss, a gradient or a parameter that is not finite.
//!
//! The run stops with the cause and writes `diverged.json`: the step, the tensors that are not finite,
//! and the images and captions of the batch. The run can return to the last intact checkpoint with lower
//! learning rates ([`Rollback`](crate::rollback::Rollback)).

use std::collections::BTreeMap;

use candle_core::Tensor;
use serde::Serialize;
use t2f_data::Batch;

use crate::error::Error;
use crate::run_dir::RunDir;
use crate::state::TrainState;
use crate::trainer::Progress;
use t2f_files::tensors;

/// The contents of `diverged.json`.
#[derive(Serialize)]
struct Report {
    step: u64,
    images: u64,
    cause: String,
    not_finite: Vec<String>,
    batch: Vec<usize>,
    captions: Vec<String>,
}

/// Converts [`Error::Diverged`] to [`Error::Divergence`] and writes a report to the run folder. Other
/// errors are returned unchanged.
pub(crate) fn explain(
    error: Error,
    state: &TrainState,
    progress: &Progress,
    batches: &[Batch],
    run: &RunDir,
) -> Error {
    let Error::Diverged { .. } = error else { return error };
    let not_finite = not_finite(state);
    let report = Report {
        step: progress.step,
        images: progress.images,
        cause: error.to_string(),
        not_finite: not_finite.clone(),
        batch: batches.iter().flat_map(|batch| batch.items.iter().map(|item| item.index)).collect(),
        captions: batches.iter().flat_map(Batch::captions).collect(),
    };
    // A report that cannot be written does not replace the cause.
    let written = serde_json::to_vec_pretty(&report).ok().map(|json| run.write("diverged.json", &json));
    if let Some(Err(error)) = written {
        tracing::warn!("{error}");
    }
    Error::Divergence { cause: error.to_string(), step: progress.step, not_finite }
}

/// Every tensor of the state that contains NaN or infinity, by group and name.
fn not_finite(state: &TrainState) -> Vec<String> {
    let groups = ["parameter", "parameter", "average of", "moment", "moment"];
    let groups = groups.into_iter().zip(state.tensors().map(|(_, tensors)| tensors));
    let of = |(group, tensors): (&str, BTreeMap<String, Tensor>)| -> Vec<String> {
        let names = tensors::not_finite(&tensors).into_iter();
        names.map(|name| format!("{group} {name}")).collect()
    };
    groups.flat_map(of).collect()
}
