//! Writes the training loop itself, with the attribute prior and classifier, sample sheets and a model
//! file that `t2f generate --model` loads.
//!
//! `cargo run --release --example training_loop -- [KEY=VALUE …]`
#![allow(clippy::print_stdout)]

use std::path::Path;

use t2f::data::Loader;
use t2f::gan::Growth;
use t2f::ops::Runtime;
use t2f::ops::rng::Key;
use t2f::pictures::picture;
use t2f::train::components::Components;
use t2f::train::config::Config;
use t2f::train::model::{Model, ModelFile, Provenance};
use t2f::train::samples::Samples;
use t2f::train::schedule::Schedule;
use t2f::train::state::TrainState;
use t2f::train::{device, trainer};

fn main() -> anyhow::Result<()> {
    Runtime::install(); // threads and allocator, once in a process
    let overrides: Vec<String> = std::env::args().skip(1).collect();
    let mut config = Config::resolve(Some("quick"), None, &overrides)?;
    config.check()?;
    let device = device::open(&config.device)?;
    let splits = config.open_data(config.gan.resolution)?;
    config.settle(&splits)?;
    let (key, schema) = (Key::new(config.seed), splits.schema());
    let tokenizer = trainer::train_tokenizer(&config, &splits)?;
    let mut state = TrainState::new(&config, &Components::new(), &tokenizer, &schema.sizes(), &device)?;
    let schedule = Schedule::new(&config.schedule, config.gan.max_level(), splits.train.len())?;
    let loader = Loader::from_config(splits.train.clone(), &config.loader, key.child("loader"))?;
    let samples = Samples::choose(&splits, config.output.samples, key)?;

    let folder = Path::new("my-run");
    std::fs::create_dir_all(folder)?;
    picture::write(&folder.join("reals.png"), &samples.reals(&splits)?, None)?;
    let (mut step, mut images, mut at) = (0, 0, Growth { level: 0, alpha: 1.0 });
    while images < schedule.total_images() {
        let stage = schedule.at(images);
        let batch = loader.batch(images, stage.batch_size, stage.resolution)?;
        state.scale_rates(schedule.rate(images));
        let losses = state.step(&batch, &stage, key, step, images)?;
        (step, images) = (step + 1, images + batch.len() as u64);
        at = stage.growth();
        if step % 100 == 0 {
            let total = |name: &str| losses.iter().find(|(other, _)| other == name).map(|(_, loss)| loss);
            println!("{images:>7} images, {at:?}, G {:?}", total("Loss/G/total"));
            let sheet = samples.fakes(state.pipeline_ema(), at, &device)?;
            picture::write(&folder.join(format!("fakes{images:07}.png")), &sheet, None)?;
        }
    }
    let file = ModelFile {
        config: &config,
        schema,
        tokenizer: &tokenizer,
        tensors: state.model(),
        growth: at,
        provenance: Provenance {
            version: env!("CARGO_PKG_VERSION").into(),
            data: splits.train.fingerprint(),
            kimg: images as f64 / 1000.0,
        },
    };
    file.save(folder.join("model.safetensors"))?;
    let model = Model::load(folder, "cpu", &Components::new())?;
    println!("{} pixels: t2f generate --model {} \"a bald man\"", model.resolution(), folder.display());
    Ok(())
}
