//! `t2f train -n`: a summary of a run, without training.

use candle_core::Device;
use t2f_train::components::Components;
use t2f_train::config::Config;
use t2f_train::device;
use t2f_train::footprint::Footprint;
use t2f_train::initialization::Initialization;
use t2f_train::schedule::Schedule;
use t2f_train::state::TrainState;
use t2f_train::trainer::{remarks, train_tokenizer};

use crate::cli::terminal::{note, result};

/// Prints the resolved configuration of a run as TOML, with comments on data, networks, memory and
/// schedule. With initial weights the configuration is [settled](Initialization::settle) for them.
///
/// # Errors
/// If the run could not start: its device is not available, its data cannot be opened or are too few, or the
/// initial weights do not fit.
pub fn describe(mut config: Config, initial: Option<&Initialization>) -> t2f_train::Result<()> {
    let components = Components::new();
    let device = device::open(&config.device)?;
    config.precision = config.precision.on(&device);
    let kimg = |images: u64| images as f64 / 1000.0;
    let splits = config.open_data(config.gan.resolution)?;
    config.settle(&splits)?;
    let config = &config;
    result(config.to_toml()?.trim_end());
    let images = splits.train.len();
    let (val, test) = (splits.val.len(), splits.test.len());
    result(&format!("\n# data: {images} training images, {val} for validation, {test} for tests"));

    let tokenizer = train_tokenizer(config, &splits)?;
    let sizes = splits.schema().sizes();
    let state = TrainState::new(config, &components, &tokenizer, &sizes, &Device::Cpu)?;
    result(&format!("# text encoder, conditioning, generator: {} parameters", state.g_params().count()));
    result(&format!("# discriminator: {} parameters", state.d_params().count()));

    let initial = initial.map(|initial| initial.apply(&state, &tokenizer, splits.schema())).transpose()?;
    if let Some(origin) = &config.origin {
        result(&format!("# initial weights: {}, {} kimg", origin.path, kimg(origin.images)));
    }

    let footprint = Footprint::estimate(config, &state, images)?;
    let mib = |bytes: u64| bytes.div_ceil(1 << 20);
    result(&format!(
        "# memory: about {} MiB on the CPU (parameters and optimisers {}, feature maps {}, images {})",
        mib(footprint.total()),
        mib(footprint.parameters),
        mib(footprint.activations),
        mib(footprint.images)
    ));

    let schedule = Schedule::new(&config.schedule, config.gan.max_level(), images)?;
    result("# schedule:  level     from kimg   faded in       until   batch");
    let shown = schedule.phases().into_iter().filter(|(start, _, end)| start < end);
    for (start, faded, end) in shown {
        let stage = schedule.at(start);
        let side = stage.resolution;
        result(&format!(
            "# {:>13} {:>15.1} {:>10.1} {:>11.1} {:>7}",
            format!("{side}x{side}"),
            kimg(start),
            kimg(faded),
            kimg(end),
            stage.batch_size
        ));
    }
    let of_run = remarks(config, &splits, &tokenizer, &schedule);
    for line in initial.unwrap_or_default().into_iter().chain(of_run) {
        note(&format!("note: {line}"));
    }
    Ok(())
}
