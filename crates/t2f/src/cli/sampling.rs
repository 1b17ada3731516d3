//! How faces are drawn: the options that `generate` and `metrics` share.

use clap::Args;
use t2f_train::pipeline::Sampling;

/// Options of sampling.
#[derive(Args)]
pub struct SamplingOptions {
    /// Scale of the noise, from 0 (the caption's most typical face) to 1 (all its variety)
    #[arg(long, default_value_t = 1.0, value_parser = truncation, value_name = "PSI")]
    truncation: f64,
    /// How far to lead from the empty caption through the given one; more than 1 exaggerates it
    ///
    /// Only for models that were trained with null captions.
    #[arg(long, default_value_t = 1.0, value_parser = guidance_scale, value_name = "S")]
    guidance_scale: f64,
}

impl SamplingOptions {
    /// What the options say.
    pub fn sampling(&self) -> Sampling {
        Sampling { truncation: self.truncation, guidance_scale: self.guidance_scale }
    }
}

fn truncation(text: &str) -> Result<f64, String> {
    number(text, 1, "0.7")
}

fn guidance_scale(text: &str) -> Result<f64, String> {
    number(text, 20, "1.5")
}

fn number(text: &str, most: u8, example: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(number) if (0.0..=f64::from(most)).contains(&number) => Ok(number),
        _ => Err(format!("expected a number from 0 to {most}, such as {example}")),
    }
}
