//! The options of sampling, shared by `generate` and `metrics`.

use clap::Args;
use t2f_pictures::provenance::Provenance;
use t2f_train::pipeline::Sampling;

/// Options of sampling.
#[derive(Clone, Copy, Debug, Args)]
pub struct SamplingOptions {
    /// Scale of the noise, from 0 (the caption's most typical face) to 1 (all its variety)
    #[arg(long, default_value_t = 1.0, value_parser = truncation, value_name = "PSI")]
    truncation: f64,
    /// Guidance scale: extrapolates the text embedding from the empty caption; above 1 emphasizes the
    /// caption
    ///
    /// It requires a model that was trained with caption dropout.
    #[arg(long, alias = "text-scale", default_value_t = 1.0, value_parser = guidance_scale, value_name = "S")]
    guidance_scale: f64,
}

impl SamplingOptions {
    /// The sampling of these options.
    pub fn sampling(&self) -> Sampling {
        Sampling { truncation: self.truncation, guidance_scale: self.guidance_scale }
    }

    /// The provenance of a picture that was generated with these options.
    pub fn provenance(&self, model_hash: &str, prompt: &str, seeds: &str) -> Provenance {
        Provenance::generated(model_hash, prompt, seeds).sampled(self.truncation, self.guidance_scale)
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
