//! Trains with a text encoder of its own: the sum of word vectors.
//!
//! `cargo run --release --example custom_encoder -- [KEY=VALUE …]`
#![allow(clippy::print_stdout)]

use std::ops::ControlFlow;

use candle_core::Tensor;
use candle_nn::{Init, VarBuilder};
use t2f::text::{Result, TextEncoder, Tokenizer};
use t2f::train::components::Components;
use t2f::train::config::Config;
use t2f::train::model::Model;
use t2f::train::pipeline::Sampling;
use t2f::train::trainer::Trainer;

const SIZE: usize = 64;

#[derive(Debug)]
struct BagOfWords {
    tokenizer: Tokenizer,
    words: Tensor, // (V, E)
}

impl BagOfWords {
    fn new(tokenizer: Tokenizer, vb: VarBuilder) -> Result<Self> {
        let shape = (tokenizer.vocabulary_size(), SIZE);
        let words = vb.get_with_hints(shape, "words", Init::Randn { mean: 0.0, stdev: 0.3 })?;
        Ok(Self { tokenizer, words })
    }
}

impl TextEncoder for BagOfWords {
    fn encode(&self, captions: &[String]) -> Result<Tensor> {
        let rows = captions.iter().map(|caption| {
            let mut ids = self.tokenizer.encode(caption, 100)?;
            ids.push(0); // the padding token, so that an empty caption has a vector, too
            let ids = Tensor::new(ids, self.words.device())?;
            Ok(self.words.index_select(&ids, 0)?.sum_keepdim(0)?)
        });
        Ok(Tensor::cat(&rows.collect::<Result<Vec<_>>>()?, 0)?)
    }

    fn embedding_size(&self) -> usize {
        SIZE
    }

    fn unknown_words(&self, caption: &str) -> Result<Vec<String>> {
        self.tokenizer.unknown_words(caption)
    }
}

fn main() -> anyhow::Result<()> {
    let overrides: Vec<String> = std::env::args().skip(1).collect();
    let config = Config::resolve(Some("quick"), None, &overrides)?;
    let components = Components::new()
        .with_text("bag-of-words", |tokenizer, vb| Ok(Box::new(BagOfWords::new(tokenizer, vb)?)));
    let mut trainer = Trainer::create(config, components.clone(), "runs")?;
    trainer.run(|_event| ControlFlow::Continue(()))?;

    let run = trainer.run_dir().path();
    // Without the encoder the model is refused by name.
    println!("{}", Model::load(run, "cpu", &Components::new()).unwrap_err());
    let model = Model::load(run, "cpu", &components)?;
    let faces = model.generate(&["a bald man".into(), String::new()], &[0, 0], Sampling::default())?;
    println!("{} faces of {} pixels from {}", faces.len(), model.resolution(), run.display());
    Ok(())
}
