//! The events of a run.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;

use crate::schedule::Stage;

/// An event of a run, for its watcher. Libraries never print: the command line shows events.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The run starts, or continues.
    Started {
        /// The run folder.
        run: &'a Path,
        /// The device, in words.
        device: &'a str,
        /// Images shown before; above 0 when the run continues.
        images: u64,
        /// Images that the schedule shows in all.
        total_images: u64,
    },
    /// The run was restored from a checkpoint.
    Restored {
        /// The checkpoint.
        checkpoint: &'a Path,
        /// The verification, in words.
        verified: &'a str,
    },
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
    /// A picture was written.
    Wrote(&'a Path),
    /// A checkpoint is on the disk, verified.
    Checkpointed(&'a Path),
    /// The schedule is complete; the model file is written.
    Finished {
        /// The run folder.
        run: &'a Path,
        /// The model file in it.
        model: &'a Path,
    },
}

/// The watcher of a run; a break, at any event, stops the run after the step, with a checkpoint.
pub type Watch<'a> = dyn FnMut(&Event) -> ControlFlow<()> + 'a;

/// Averages since the last tick, and the speed.
#[derive(Clone, Debug)]
pub struct Tick {
    /// Steps taken so far.
    pub step: u64,
    /// Images shown so far.
    pub images: u64,
    /// Images that the schedule shows in all.
    pub total_images: u64,
    /// The stage of growth.
    pub stage: Stage,
    /// Mean of every term of both losses, by name.
    pub losses: BTreeMap<String, f64>,
    /// Images per second, loading included.
    pub images_per_sec: f64,
}

/// How a call of [`Trainer::run`] ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The schedule is complete.
    Finished,
    /// The watcher asked to stop; a checkpoint was written and the run can be resumed.
    Stopped,
}
