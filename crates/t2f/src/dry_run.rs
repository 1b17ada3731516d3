//! `t2f train -n`: what a configuration stands for, without training.

use candle_core::Device;
use t2f_train::config::Config;
use t2f_train::schedule::Schedule;
use t2f_train::step::Networks;
use t2f_train::trainer::train_tokenizer;

use crate::terminal::result;

/// Prints the configuration as TOML and, as comments in it, the data, the networks and the
/// schedule that it stands for.
pub fn describe(config: &Config) -> anyhow::Result<()> {
    result(config.to_toml()?.trim_end());
    let splits = config.data.open(config.gan.resolution)?;
    let images = splits.train.len();
    let (val, test) = (splits.val.len(), splits.test.len());
    result(&format!("\n# data: {images} training images, {val} for validation, {test} for tests"));

    let tokenizer = train_tokenizer(config, &splits)?;
    let networks = Networks::new(config, &tokenizer, &Device::Cpu)?;
    result(&format!("# text encoder, conditioning, generator: {} parameters", networks.painting.count()));
    result(&format!("# discriminator: {} parameters", networks.judging.count()));

    let schedule = Schedule::new(&config.schedule, config.gan.max_level(), images)?;
    result("# schedule:  level     from kimg   faded in       until   batch");
    let kimg = |images: u64| images as f64 / 1000.0;
    let mut start = 0;
    while start < schedule.total_images() {
        let stage = schedule.at(start);
        let of_level =
            |images: u64| images < schedule.total_images() && schedule.at(images).level == stage.level;
        let batch = stage.batch_size as u64;
        let mut end = start;
        let mut faded = start;
        while of_level(end) {
            faded += if schedule.at(end).alpha < 1.0 { batch } else { 0 };
            end += batch;
        }
        let side = stage.resolution;
        let (from, faded, until) = (kimg(start), kimg(faded), kimg(end));
        result(&format!(
            "# {:>13} {from:>15.1} {faded:>10.1} {until:>11.1} {batch:>7}",
            format!("{side}x{side}")
        ));
        start = end;
    }
    Ok(())
}
