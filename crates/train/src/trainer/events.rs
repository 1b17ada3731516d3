//! The events of a run.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;

use t2f_metrics::measure::LeftOut;

use super::best::Evaluation;
use crate::config::Change;
#[cfg(doc)]
use crate::pace::Pace;
use crate::schedule::Stage;

/// An event of a run. The library never prints; the command line shows events.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The run starts or continues.
    Started {
        /// The run folder.
        run: &'a Path,
        /// A description of the device.
        device: &'a str,
        /// Images shown before; above 0 if the run continues.
        images: u64,
        /// Number of images of the whole schedule.
        total_images: u64,
    },
    /// The run was restored from a checkpoint.
    Restored {
        /// The checkpoint.
        checkpoint: &'a Path,
        /// A summary of the verification.
        verified: &'a str,
    },
    /// The run continues with other settings than before.
    Changed(&'a [Change]),
    /// A step was taken.
    Stepped {
        /// Images shown so far.
        images: u64,
    },
    /// Statistics of the images since the last tick.
    Tick(&'a Tick),
    /// A new resolution begins.
    Level {
        /// 0 is 4x4.
        level: usize,
        /// Pixels on a side.
        resolution: usize,
    },
    /// The figures of the averaged generator on held-out captions.
    Evaluated {
        /// The figures.
        evaluation: &'a Evaluation,
        /// Whether its model is the best so far, and is now in `best/`.
        is_best: bool,
        /// The metrics that were not computed.
        left_out: &'a [LeftOut],
    },
    /// No figure has improved for `output.patience_kimg`.
    Stalled {
        /// Thousands of images since the last improvement.
        kimg: f64,
        /// Whether the run stops.
        stops: bool,
    },
    /// A picture was written.
    Wrote(&'a Path),
    /// A checkpoint was written and verified.
    Checkpointed(&'a Path),
    /// The schedule is complete and the model file is written.
    Finished {
        /// The run folder.
        run: &'a Path,
        /// The model file in it.
        model: &'a Path,
    },
}

/// The callback of a run. A break at any event stops the run after the step, with a checkpoint.
pub type Watch<'a> = dyn FnMut(&Event) -> ControlFlow<()> + 'a;

/// Averages since the last tick, and the throughput.
#[derive(Clone, Debug)]
pub struct Tick {
    /// Steps taken so far.
    pub step: u64,
    /// Images shown so far.
    pub images: u64,
    /// Number of images of the whole schedule.
    pub total_images: u64,
    /// The stage of growth.
    pub stage: Stage,
    /// Mean of every term of both losses, and of the other statistics of steps, by name.
    pub losses: BTreeMap<String, f64>,
    /// Images per second, with loading.
    pub images_per_sec: f64,
    /// Seconds that the rest of the schedule takes, by the pace of each level ([`Pace`]); none before a
    /// measurement.
    pub seconds_left: Option<f64>,
}

/// The outcome of [`Trainer::run`](super::Trainer::run).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The schedule is complete.
    Finished,
    /// The callback stopped the run; a checkpoint was written and the run can be resumed.
    Stopped,
}
