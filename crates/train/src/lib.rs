//! Training of a text-to-face GAN: the loop and its schedule, optimisers and moving average,
//! configuration, checkpoints and run folders, and the model file.
//!
//! This crate combines data, text encoder and networks. It never prints; progress is an
//! [`Event`](trainer::Event).
//!
//! ```
//! use std::ops::ControlFlow;
//!
//! use t2f_train::components::Components;
//! use t2f_train::config::Config;
//! use t2f_train::model::Model;
//! use t2f_train::pipeline::Sampling;
//! use t2f_train::trainer::{Event, Trainer};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let out = tempfile::tempdir()?;
//! # let out = out.path();
//! let settings = [
//!     "device=cpu",
//!     "gan.resolution=8",
//!     "gan.channels=[8,8]",
//!     "data.train_images=16",
//!     "data.val_images=4",
//!     "data.test_images=4",
//!     "schedule.batch_sizes=[4]",
//!     "schedule.fade_kimg=[0,0.004]",
//!     "schedule.stable_kimg=[0.004,0.004]",
//! ];
//! let config = Config::resolve(Some("quick"), None, &settings.map(String::from))?;
//! let mut trainer = Trainer::create(config, Components::new(), out)?;
//! let mut steps = 0;
//! trainer.run(|event| {
//!     steps += usize::from(matches!(event, Event::Stepped { .. }));
//!     ControlFlow::Continue(())
//! })?;
//! assert_eq!(steps, 3);
//!
//! let model = Model::load(trainer.run_dir().path(), "cpu", &Components::new())?;
//! let faces = model.generate(&["an old man with a beard".into()], &[0], Sampling::default())?;
//! assert_eq!((faces[0].width, faces[0].height), (8, 8));
//! # Ok(())
//! # }
//! ```

pub mod checkpoint;
mod checkpoint_model;
pub mod checkpoint_record;
pub mod components;
pub mod config;
pub mod device;
pub mod divergence;
pub mod ema;
mod error;
pub mod footprint;
pub mod hours;
pub mod initialization;
pub mod labels;
pub mod model;
mod model_file;
pub mod pace;
pub mod pipeline;
pub mod processes;
pub mod rollback;
pub mod run_dir;
pub mod samples;
pub mod schedule;
pub mod state;
mod stored_weights;
pub mod trainer;
pub mod understanding;
mod walk;

pub use error::{Error, Result};
pub use t2f_files::{disk, json_lines};
pub use t2f_metrics as metrics;
pub use t2f_parallel as parallel;
pub use t2f_pictures as pictures;
