//! Training on several processes: process 0 is the [`Trainer`](crate::trainer::Trainer), the others
//! [`follow`] it.
//!
//! Process 0 alone has the run folder. It sends the configuration and the state at the beginning, and before
//! each step what the step needs; the others load their own images and compute their micro-batches
//! ([`Share`]). Thus all obey one schedule, one stop and one rollback.

use std::collections::BTreeMap;

use candle_core::Tensor;
use serde::{Deserialize, Serialize};
use t2f_data::Splits;
use t2f_files::tensors;
use t2f_gan::AdaController;
use t2f_ops::init::Parameters;
use t2f_ops::rng::Key;
use t2f_parallel::Communicator;
use t2f_text::Tokenizer;

use crate::components::Components;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::schedule::Schedule;
#[cfg(doc)]
use crate::state::Share;
use crate::state::{OptimizerSteps, TrainState};
use crate::trainer::Batches;

/// What process 0 tells the others.
#[derive(Debug, Serialize, Deserialize)]
enum Message {
    /// A training begins or continues; the tensors of the state follow, one group a broadcast.
    Begin(Box<Begin>),
    /// The next step.
    Step(Step),
    /// The checksum of the parameters.
    Compare(String),
    /// There is no more to do.
    End,
}

#[derive(Debug, Serialize, Deserialize)]
struct Begin {
    config: Config,
    tokenizer: String,
    g_steps: BTreeMap<String, u64>,
    d_steps: BTreeMap<String, u64>,
    ada: AdaController,
}

/// What a step depends on beside the state.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Step {
    /// The images shown before it.
    pub(crate) shown: u64,
    /// Its number.
    pub(crate) number: u64,
    /// The factor of the learning rates.
    pub(crate) rate: f64,
    /// Whether the moments of the optimisers are reset before it.
    pub(crate) reset: bool,
    /// The augmentation probability, which process 0 alone measures by validation images.
    pub(crate) ada: AdaController,
}

fn send(communicator: &dyn Communicator, message: &Message) -> Result<()> {
    if communicator.size() > 1 {
        let bytes = serde_json::to_vec(message).map_err(|error| Error::State(error.to_string()))?;
        communicator.broadcast(bytes)?;
    }
    Ok(())
}

/// Process 0 of a training, as the others know it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Leader<'a>(&'a dyn Communicator);

impl<'a> Leader<'a> {
    /// Sends configuration and state, and waits until all processes have opened their data.
    pub(crate) fn begin(
        communicator: &'a dyn Communicator,
        config: &Config,
        tokenizer: &Tokenizer,
        state: &TrainState,
    ) -> Result<Self> {
        if communicator.size() > 1 {
            let OptimizerSteps { g, d } = state.optimizer_steps();
            let (config, tokenizer) = (config.clone(), tokenizer.to_json()?);
            let begin = Begin { config, tokenizer, g_steps: g, d_steps: d, ada: state.ada() };
            send(communicator, &Message::Begin(Box::new(begin)))?;
            for (_, group) in state.tensors() {
                communicator.broadcast(tensors::to_bytes(&group, "{}").map_err(Error::State)?)?;
            }
            communicator.barrier()?;
        }
        Ok(Self(communicator))
    }

    /// Announces a step.
    pub(crate) fn step(&self, step: Step) -> Result<()> {
        send(self.0, &Message::Step(step))
    }

    /// Checks that all processes have the same parameters.
    pub(crate) fn compare(&self, state: &TrainState) -> Result<()> {
        if self.0.size() == 1 {
            return Ok(());
        }
        let checksum = checksum(state)?;
        send(self.0, &Message::Compare(checksum))?;
        compared(self.0, false)
    }
}

/// Ends [`follow`] on the other processes.
///
/// # Errors
/// If a process is lost.
pub fn end(communicator: &dyn Communicator) -> Result<()> {
    send(communicator, &Message::End)
}

/// Follows process 0 until it calls [`end`]: computes the micro-batches of this process in every step.
///
/// `components` must contain the custom components of the run.
///
/// # Errors
/// If the data cannot be opened or read here, the device fails, or a process is lost. A divergence is no error
/// here: process 0 decides what follows.
pub fn follow(communicator: &dyn Communicator, components: &Components) -> Result<()> {
    let mut member: Option<Member> = None;
    loop {
        let bytes = communicator.broadcast(Vec::new())?;
        let message = serde_json::from_slice(&bytes)
            .map_err(|error| Error::State(format!("process 0 is of another version: {error}")))?;
        match (message, &mut member) {
            (Message::End, _) => return Ok(()),
            (Message::Begin(begin), member) => {
                *member = Some(Member::join(communicator, components, *begin)?);
                communicator.barrier()?;
            }
            (Message::Step(step), Some(member)) => match member.step(communicator, step) {
                Err(Error::Diverged { .. }) | Ok(()) => (),
                Err(error) => return Err(error),
            },
            (Message::Compare(expected), Some(member)) => {
                compared(communicator, checksum(&member.state)? != expected)?;
            }
            (_, None) => return Err(Error::State("process 0 has not begun".into())),
        }
    }
}

/// A process that follows process 0.
struct Member {
    config: Config,
    schedule: Schedule,
    splits: Splits,
    state: TrainState,
    /// The batches, and the images shown before the next of them.
    batches: Option<(u64, Batches)>,
}

impl Member {
    fn join(communicator: &dyn Communicator, components: &Components, begin: Begin) -> Result<Self> {
        let Begin { config, tokenizer, g_steps, d_steps, ada } = begin;
        components.check_run(&config.components)?;
        t2f_ops::Runtime::install();
        let device = crate::device::open_for_training(&config.device, communicator.local_rank())?;
        let tokenizer = Tokenizer::from_json(&tokenizer)?;
        let splits = components.data(&config)?;
        let mut state = TrainState::new(&config, components, &tokenizer, &splits.schema().sizes(), &device)?;
        let mut groups = BTreeMap::new();
        for (name, _) in state.tensors() {
            let bytes = communicator.broadcast(Vec::new())?;
            groups.insert(name, tensors::from_bytes(&bytes).map_err(Error::State)?.0);
        }
        let steps = OptimizerSteps { g: g_steps, d: d_steps };
        state.restore(|name| Ok(groups.remove(name).unwrap_or_default()), &steps, Some(ada))?;
        let schedule = Schedule::new(&config.schedule, config.gan.max_level(), splits.train.len())?;
        Ok(Self { config, schedule, splits, state, batches: None })
    }

    fn step(&mut self, communicator: &dyn Communicator, step: Step) -> Result<()> {
        let Step { shown, number, rate, reset, ada } = step;
        let key = Key::new(self.config.seed);
        let stage = self.schedule.at(shown);
        if reset {
            self.state.reset_optimizers()?;
        }
        self.state.scale_rates(rate);
        self.state.set_ada(ada);
        let mut batches = match self.batches.take() {
            Some((next, batches)) if next == shown => batches,
            _ => {
                let (dataset, loader) = (self.splits.train.clone(), &self.config.loader);
                Batches::new(dataset, loader, &self.schedule, key, shown, communicator)?
            }
        };
        let own = batches.next_step()?;
        let share = batches.share(&own, communicator);
        self.batches = Some((shown + stage.batch_size as u64, batches));
        self.state.step_shared(&share, &stage, key, number, shown).map(drop)
    }
}

/// The outcome of a comparison: an error on all processes if one of them differs.
fn compared(communicator: &dyn Communicator, differs: bool) -> Result<()> {
    let own = Tensor::new(&[f32::from(u8::from(differs))], &candle_core::Device::Cpu)?;
    let differing = communicator.sum(&own)?.to_vec1::<f32>()?[0];
    if differing > 0.0 {
        return Err(Error::State(format!(
            "{differing} of {} processes have other parameters than process 0, so that their gradients do not belong \
             to one model: processors of different kinds round differently; run all processes on the same kind",
            communicator.size()
        )));
    }
    Ok(())
}

/// The hash of all trainable parameters.
fn checksum(state: &TrainState) -> Result<String> {
    let mut hash = blake3::Hasher::new();
    let mut add = |parameters: &Parameters| -> Result<()> {
        for (name, tensor) in parameters.tensors() {
            hash.update(name.as_bytes());
            for value in tensor.flatten_all()?.to_vec1::<f32>()? {
                hash.update(&value.to_le_bytes());
            }
        }
        Ok(())
    };
    add(state.g_params())?;
    add(state.d_params())?;
    Ok(hash.finalize().to_hex().to_string())
}
