//! `t2f train -n`: what a configuration stands for, without training.

use candle_core::Device;
use t2f_train::config::Config;
use t2f_train::device;
use t2f_train::footprint::Footprint;
use t2f_train::schedule::Schedule;
use t2f_train::step::TrainState;
use t2f_train::trainer::train_tokenizer;

use crate::cli::terminal::result;

/// Prints the configuration that a run would have as TOML and, as comments in it, the data, the
/// networks and the schedule that it stands for.
///
/// # Errors
/// If such a run would not start: its device is not there, its data cannot be opened or do not do.
pub fn describe(mut config: Config) -> t2f_train::Result<()> {
    device::open(&config.device)?;
    let splits = config.data.open(config.gan.resolution)?;
    config.settle(&splits)?;
    let config = &config;
    result(config.to_toml()?.trim_end());
    let images = splits.train.len();
    let (val, test) = (splits.val.len(), splits.test.len());
    result(&format!("\n# data: {images} training images, {val} for validation, {test} for tests"));

    let tokenizer = train_tokenizer(config, &splits)?;
    let networks = TrainState::new(config, &tokenizer, &Device::Cpu)?;
    result(&format!("# text encoder, conditioning, generator: {} parameters", networks.g_params.count()));
    result(&format!("# discriminator: {} parameters", networks.d_params.count()));

    let footprint = Footprint::estimate(config, &networks, images)?;
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
    let kimg = |images: u64| images as f64 / 1000.0;
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
    Ok(())
}
