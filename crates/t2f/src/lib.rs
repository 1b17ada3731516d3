//! Text to face: trains a text encoder and a progressively grown GAN on captioned faces, generates
//! faces from descriptions, and measures them.
//!
//! This crate re-exports the libraries of the workspace under short names and holds the command line:
//!
//! - [`data`]: data sets, attribute schemas, captions, batches;
//! - [`text`]: tokenizers and text encoders;
//! - [`gan`]: generator, discriminator, adversarial losses, objectives;
//! - [`train`]: configuration, [`Trainer`](train::trainer::Trainer), checkpoints, model files;
//! - [`metrics`]: attribute agreement, FID, KID and others;
//! - [`demo`]: a local page and JSON API of a model;
//! - [`pictures`]: loss curves, contact sheets, PNG files;
//! - [`report`]: reports of runs, as a page, a notebook and tables;
//! - [`watch`]: the terminal dashboard of a run;
//! - [`ops`]: operators, gradients, keyed random numbers.
//!
//! Every part of a training can be replaced by one of your own, see
//! [`Components`](train::components::Components) and the programs in `examples/`.
//!
//! ```no_run
//! use std::ops::ControlFlow;
//!
//! use t2f::train::components::Components;
//! use t2f::train::config::Config;
//! use t2f::train::model::Model;
//! use t2f::train::pipeline::Sampling;
//! use t2f::train::trainer::Trainer;
//!
//! let config = Config::preset("quick")?;
//! let mut trainer = Trainer::create(config, Components::new(), "runs")?;
//! trainer.run(|_event| ControlFlow::Continue(()))?;
//!
//! let model = Model::load(trainer.run_dir().path(), "auto", &Components::new())?;
//! let faces = model.generate(&["an old man with a beard".into()], &[0], Sampling::default())?;
//! assert_eq!(faces.len(), 1);
//! # t2f::train::Result::Ok(())
//! ```

pub mod cli;

pub use t2f_data as data;
pub use t2f_demo as demo;
pub use t2f_gan as gan;
pub use t2f_metrics as metrics;
pub use t2f_ops as ops;
pub use t2f_pictures as pictures;
pub use t2f_report as report;
pub use t2f_text as text;
pub use t2f_train as train;
pub use t2f_watch as watch;
