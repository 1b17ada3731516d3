//! The checks of a configuration: ranges, and settings against each other.

use t2f_gan::Channels;
use t2f_ops::setting::SettingError;
use t2f_text::TextConfig;

use super::Config;
use crate::error::Result;
use crate::schedule::Schedule;

impl Config {
    /// Checks every range, and settings against each other.
    ///
    /// # Errors
    /// If a setting is out of range or contradicts another; the message names it, or both.
    pub fn check(&self) -> Result<()> {
        self.gan.check()?;
        self.text.check()?;
        self.loss.check()?;
        self.loader.check()?;
        self.augment.check()?;
        crate::device::check(&self.device)?;
        let schedule = Schedule::new(&self.schedule, self.gan.max_level(), 1)?;
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if self.name.is_empty() || !self.name.chars().all(plain) {
            let value = format!("`{}`", self.name);
            return Err(SettingError::new("name", value, "letters, digits, `-`, `_` and `.`").into());
        }
        self.check_optimizers()?;
        self.check_output()?;
        self.check_sizes()?;
        if !(self.ema.ramp_up >= 0.0 && self.ema.ramp_up.is_finite()) {
            let expected = "a finite number, at least 0";
            return Err(SettingError::new("ema.ramp_up", self.ema.ramp_up, expected).into());
        }
        if schedule.smallest_batch() < 2 {
            let value = format!("{:?}", self.schedule.batch_sizes);
            let expected = "at least 2 images a step, for minibatch stddev and mismatched captions";
            return Err(SettingError::new("schedule.batch_sizes", value, expected).into());
        }
        Ok(())
    }

    /// Checks the settings of every optimiser.
    fn check_optimizers(&self) -> Result<()> {
        let positive = |x: f64| x > 0.0 && x.is_finite();
        let fraction = |x: f64| (0.0..1.0).contains(&x);
        for (name, adam) in [
            ("generator", &self.optimizer.generator),
            ("text", self.optimizer.text()),
            ("discriminator", &self.optimizer.discriminator),
            ("classifier", &self.optimizer.classifier),
        ] {
            for (field, value, holds, expected) in [
                ("lr", adam.lr, adam.lr.all(positive), "above 0 and finite"),
                ("beta1", adam.beta1.into(), fraction(adam.beta1), "at least 0 and below 1"),
                ("beta2", adam.beta2, adam.beta2.all(fraction), "at least 0 and below 1"),
                ("epsilon", adam.epsilon.into(), positive(adam.epsilon), "above 0 and finite"),
            ] {
                if !holds {
                    return Err(
                        SettingError::new(format!("optimizer.{name}.{field}"), value, expected).into()
                    );
                }
            }
        }
        match self.optimizer.n_critic {
            0 => Err(SettingError::new("optimizer.n_critic", 0, "at least 1").into()),
            _ => Ok(()),
        }
    }

    /// Checks the periods and the counts of the output, and the half-life of the average.
    fn check_output(&self) -> Result<()> {
        let periods = [
            ("output.tick_kimg", self.output.tick_kimg),
            ("output.sample_kimg", self.output.sample_kimg),
            ("output.checkpoint_kimg", self.output.checkpoint_kimg),
            ("ema.half_life_kimg", self.ema.half_life_kimg.from),
            ("ema.half_life_kimg", self.ema.half_life_kimg.to),
        ];
        if let Some((key, value)) = periods.iter().find(|(_, value)| !(*value > 0.0 && value.is_finite())) {
            return Err(SettingError::new(*key, value, "above 0 and finite").into());
        }
        for (key, value) in [
            ("output.metrics_kimg", self.output.metrics_kimg),
            ("output.patience_kimg", self.output.patience_kimg),
        ] {
            if !(value >= 0.0 && value.is_finite()) {
                return Err(SettingError::new(key, value, "at least 0 and finite").into());
            }
        }
        if self.output.metrics_images < 4 {
            return Err(
                SettingError::new("output.metrics_images", self.output.metrics_images, "at least 4").into()
            );
        }
        let counts = [
            ("output.keep_checkpoints", self.output.keep_checkpoints),
            ("output.samples", self.output.samples),
        ];
        match counts.iter().find(|(_, count)| *count == 0) {
            Some((key, _)) => Err(SettingError::new(*key, 0, "at least 1").into()),
            None => Ok(()),
        }
    }

    /// Limits sizes, so that their sums and products do not overflow: larger ones are typing errors or
    /// damage.
    fn check_sizes(&self) -> Result<()> {
        const MOST: usize = 1 << 16;
        let text = match &self.text {
            TextConfig::Lstm(lstm) => [lstm.embedding_size, lstm.hidden_size, lstm.layers, lstm.max_length],
            // Its sizes are those of its files.
            TextConfig::Sentence(_) => [0; 4],
        };
        let most = |numbers: &[usize]| numbers.iter().max().copied().unwrap_or(0);
        let widest = match &self.gan.channels {
            Channels::Halving(widest) => *widest,
            Channels::List(list) => most(list),
        };
        let sizes = [
            ("gan.resolution", self.gan.resolution, 1024),
            ("gan.latent_size", self.gan.latent_size, MOST),
            ("gan.compressed_size", self.gan.compressed_size, MOST),
            ("gan.channels", widest, MOST),
            ("loss.contrast.size", self.loss.contrast.size, MOST),
            ("loss.attributes.classifier", most(&self.loss.attributes.classifier), MOST),
            ("loss.reconstruction.encoder", most(&self.loss.reconstruction.encoder), MOST),
            ("text.embedding_size", text[0], MOST),
            ("text.hidden_size", text[1], MOST),
            ("text.layers", text[2], 64),
            ("text.max_length", text[3], MOST),
            ("schedule.batch_sizes", most(&self.schedule.batch_sizes), MOST),
        ];
        match sizes.iter().find(|(_, size, most)| size > most) {
            Some((key, size, most)) => Err(SettingError::new(*key, size, format!("at most {most}")).into()),
            None => Ok(()),
        }
    }
}
