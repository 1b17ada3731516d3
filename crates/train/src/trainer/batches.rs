//! The batches of a schedule, by step, for one of several processes.

use std::sync::Arc;

use t2f_data::{Batch, Dataset, Loader, LoaderConfig, Prefetch, Request};
use t2f_ops::rng::Key;
use t2f_parallel::Communicator;

use crate::error::{Error, Result};
use crate::schedule::Schedule;
use crate::state::Share;

/// The micro-batches of one process, in the order of steps, prefetched on other threads.
#[derive(Debug)]
pub(crate) struct Batches {
    prefetch: Prefetch,
    /// The number of its first micro-batch.
    first: usize,
    /// Its micro-batches of a step.
    own: usize,
    /// All micro-batches of a step.
    all: usize,
}

impl Batches {
    /// The batches after the first `shown` images of the run, for process `rank` of `size`.
    pub(crate) fn new(
        dataset: Arc<dyn Dataset>,
        config: &LoaderConfig,
        schedule: &Schedule,
        key: Key,
        mut shown: u64,
        communicator: &dyn Communicator,
    ) -> Result<Self> {
        let all = schedule.micro_batches();
        let own = schedule.micro_batches_of(communicator.size())?;
        let first = communicator.rank() * own;
        let steps = schedule.clone();
        let requests = std::iter::from_fn(move || {
            (shown < steps.total_images()).then(|| {
                let stage = steps.at(shown);
                let size = stage.batch_size / all;
                let start = shown;
                shown += stage.batch_size as u64;
                (first..first + own).map(move |number| Request {
                    position: start + (number * size) as u64,
                    size,
                    resolution: stage.resolution,
                })
            })
        });
        // Captions without images are shared out, so that a step encodes as many.
        let config = LoaderConfig { texts: config.texts.div_ceil(all), ..*config };
        let loader = Arc::new(Loader::from_config(dataset, &config, key.child("loader"))?);
        Ok(Self { prefetch: Prefetch::new(loader, requests.flatten(), config.workers), first, own, all })
    }

    /// The micro-batches of the next step.
    pub(crate) fn next_step(&mut self) -> Result<Vec<Batch>> {
        let ended = || Error::State("the loader has ended before the schedule".into());
        (0..self.own).map(|_| Ok(self.prefetch.next().ok_or_else(ended)??)).collect()
    }
    /// The share of this process in a step, of its micro-batches.
    pub(crate) fn share<'a>(&self, batches: &'a [Batch], communicator: &'a dyn Communicator) -> Share<'a> {
        Share { batches, first: self.first, count: self.all, communicator }
    }
}
