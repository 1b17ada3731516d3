//! `t2f bench run`: the time to the first step, and the time of a whole run besides its steps.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Instant;

use anyhow::Context;
use serde_json::{Value, json};
use t2f_train::components::Components;
use t2f_train::config::Config;
use t2f_train::schedule::{Schedule, Stage};
use t2f_train::trainer::{Event, Trainer};

use super::row::quantile;
use super::worker::{Job, Worker};
use crate::cli::terminal;

/// Measures and prints both times, and returns them for `--json`.
pub fn measure(overrides: &[String], rounds: u32, threads: usize) -> anyhow::Result<Value> {
    let out = tempfile::tempdir()?;
    let job = |first_step| Job::Run { overrides: overrides.to_vec(), out: out.path().into(), first_step };
    let mut starts = Vec::new();
    for _ in 0..rounds {
        let start = Instant::now();
        Worker::ours(&job(true), threads)?;
        starts.push(start.elapsed().as_secs_f64() * 1e3);
    }
    let start_ms = quantile(&starts, 0.5);
    terminal::result(&format!("process start to the end of the first step: {start_ms:.0} ms"));
    let start = Instant::now();
    let run = Worker::ours(&job(false), threads)?;
    let whole_ms = start.elapsed().as_secs_f64() * 1e3;
    let number =
        |name: &str| run.hello[name].as_f64().with_context(|| format!("the run has not printed its {name}"));
    let (steps, steps_ms) = (number("steps")?, number("steps_ms")?);
    let overhead = whole_ms / steps_ms - 1.0;
    terminal::result(&format!(
        "a whole run: {:.1} s, of which {steps} steps take {:.1} s; {:.1} % more than its steps",
        whole_ms / 1e3,
        steps_ms / 1e3,
        100.0 * overhead
    ));
    Ok(json!({
        "start_ms": start_ms, "whole_ms": whole_ms, "steps": steps, "steps_ms": steps_ms, "overhead": overhead,
    }))
}

/// Trains the preset `quick` in a folder. Prints a line and stops after the first step, or prints the time
/// of the steps at the end.
pub fn train(overrides: &[String], out: &Path, first_step: bool) -> anyhow::Result<()> {
    let config = Config::resolve(Some("quick"), None, overrides)?;
    config.check()?;
    let schedule = Schedule::new(&config.schedule, config.gan.max_level(), 1)?;
    let mut trainer = Trainer::create(config, Components::new(), out)?;
    let mut steps = Steps::default();
    trainer.run(|event: &Event| {
        match event {
            Event::Stepped { images } => {
                steps.taken(schedule.at(images - 1));
                if first_step {
                    terminal::result(&json!({ "steps": 1 }).to_string());
                    return ControlFlow::Break(());
                }
            }
            _ => steps.last = None,
        }
        ControlFlow::Continue(())
    })?;
    if !first_step {
        terminal::result(&json!({ "steps": steps.count(), "steps_ms": steps.total_ms() }).to_string());
    }
    Ok(())
}

/// Times between successive steps, for the fade-in and the stable phase of each level.
#[derive(Default)]
struct Steps {
    /// The time of the last step, unless another event came after it.
    last: Option<Instant>,
    stages: BTreeMap<(usize, bool), Vec<Option<f64>>>,
}

impl Steps {
    fn taken(&mut self, stage: Stage) {
        let ms = self.last.map(|last| last.elapsed().as_secs_f64() * 1e3);
        self.stages.entry((stage.level, stage.alpha < 1.0)).or_default().push(ms);
        self.last = Some(Instant::now());
    }

    fn count(&self) -> usize {
        self.stages.values().map(Vec::len).sum()
    }

    /// The total time of the steps; a step after a write counts as the mean of the other steps of its stage.
    fn total_ms(&self) -> f64 {
        let of_stage = |times: &Vec<Option<f64>>| {
            let known: Vec<f64> = times.iter().copied().flatten().collect();
            known.iter().sum::<f64>() / known.len().max(1) as f64 * times.len() as f64
        };
        self.stages.values().map(of_stage).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disturbed_step_counts_as_the_mean_of_its_stage() {
        let stages = BTreeMap::from([
            ((0, false), vec![None, Some(2.0), Some(4.0)]),
            ((1, true), vec![Some(10.0), None]),
        ]);
        let steps = Steps { last: None, stages };
        assert_eq!((steps.count(), steps.total_ms()), (5, 29.0));
    }
}
