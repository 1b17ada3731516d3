//! Trains a text encoder and the attribute prior on captions alone, without images, and prints which share of
//! the claims of other captions is understood: the encoder gives the values that a claim allows more than half
//! of the probability. So a lexicon, a grammar or an encoder is compared in minutes.
//!
//! `cargo run --release --example train_text -- STEPS [KEY=VALUE …]`, such as `2000 data.captions=wide`
//!
//! `from=MODEL` starts from the text encoder and the prior of a model; words are matched by their spelling. `into=MODEL out=FILE` writes a copy of a
//! model with the trained text encoder: its generator and its attributes stay, and its captions are others. The
//! text code of the copy is noise, so that the attribute code alone has the content of a caption. `only=PREFIX` trains
//! the parameters of this prefix from new ones, and no others: `only=prior.open` what the prior knows of attributes
//! that captions leave open.
//!
//! The captions as people write them are the development half, or with `people=FILE` those of a file of the same form
//! (`datasets/people`). `missed=FILE` writes the claims that are not understood as a table: class, caption, attribute,
//! claimed values, what the encoder reads, separated by tabs.
#![allow(clippy::print_stdout)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context;
use candle_core::{DType, Device, Tensor};
use t2f::data::people::Half;
use t2f::data::{Batch, Caption, Claim, ClaimedCaptions, Loader};
use t2f::gan::{AttributePrior, Growth};
use t2f::ops::Runtime;
use t2f::ops::adam::{Adam, AdamConfig};
use t2f::ops::grad::gradients;
use t2f::ops::init::Parameters;
use t2f::ops::rng::Key;
use t2f::text::{Tokenizer, WORD_VECTORS, keep_vectors};
use t2f::train::components::Components;
use t2f::train::config::Config;
use t2f::train::labels::labels;
use t2f::train::model::{Model, ModelFile};
use t2f::train::{device, trainer};

/// Arguments that name files.
const FILES: [&str; 5] = ["from=", "into=", "out=", "people=", "missed="];
/// The argument that chooses the parameters.
const ONLY: &str = "only=";

/// Captions of a part that are measured.
const MEASURED: usize = 500;

fn main() -> anyhow::Result<()> {
    Runtime::install();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (steps, arguments) = arguments.split_first().context("expected the number of steps")?;
    let steps: u64 = steps.parse().context("the number of steps")?;
    let file = |name: &str| arguments.iter().find_map(|it| it.strip_prefix(name)).map(PathBuf::from);
    let [from, into, out, people, missed] = FILES.map(file);
    anyhow::ensure!(into.is_some() == out.is_some(), "give both `into=MODEL` and `out=FILE`, or none");
    let only = arguments.iter().find_map(|it| it.strip_prefix(ONLY)).unwrap_or_default();
    let is_setting = |it: &&String| !FILES.iter().chain([&ONLY]).any(|name| it.starts_with(name));
    let settings = arguments.iter().filter(is_setting).cloned();
    let settings: Vec<String> = std::iter::once("loader.texts=64".to_owned()).chain(settings).collect();
    let mut config = Config::resolve(Some("faces-64"), None, &settings)?;
    config.check()?;
    let device = device::open(&config.device)?;
    let splits = config.open_data(config.gan.resolution)?;
    config.settle(&splits)?;
    let (key, schema) = (Key::new(config.seed), splits.schema());
    let people = match &people {
        Some(path) => ClaimedCaptions::load(path, schema)?,
        None => Half::Dev.captions()?,
    };

    let tokenizer = trainer::train_tokenizer(&config, &splits)?;
    println!("{} words", tokenizer.vocabulary_size());
    let parameters = Parameters::drawn(key);
    let vb = parameters.builder(DType::F32, &device);
    let text = config.text.build(tokenizer.clone(), vb.pp("text"))?;
    let prior = AttributePrior::new(&schema.sizes(), text.embedding_size(), &vb.pp("prior"))?;
    if let Some(model) = &from {
        let stored = candle_core::safetensors::load(model, &device)?;
        let words = Model::load(model, "cpu", &Components::new())?;
        let is_new = |name: &str| !only.is_empty() && name.starts_with(only);
        for (name, var) in parameters.vars().into_iter().filter(|(name, _)| !is_new(name)) {
            let value = stored.get(&name).with_context(|| format!("{}: no {name}", model.display()))?;
            let mut value = value.to_dtype(DType::F32)?;
            if name == format!("text.{WORD_VECTORS}") {
                let known = keep_vectors(&var, &tokenizer, &value, words.tokenizer())?;
                println!("{} of them have the vectors of {}", known.kept, model.display());
                value = known.vectors;
            }
            var.set(&value).with_context(|| format!("{}: {name}", model.display()))?;
        }
    }
    let rates = AdamConfig { lr: 4e-3.into(), beta1: 0.9, ..AdamConfig::default() };
    let fixed = AdamConfig { lr: 0.0.into(), ..rates };
    let mut adam = Adam::by_name(&parameters, |name| if name.starts_with(only) { rates } else { fixed })?;
    let loader = Loader::from_config(splits.train.clone(), &config.loader, key.child("loader"))?;
    for step in 0..steps {
        // The rate falls to 0 over the second half.
        adam.scale_rate((2.0 * (1.0 - step as f64 / steps as f64)).min(1.0));
        let items = loader.texts(step)?;
        let captions: Vec<String> = items.iter().map(|item| item.caption.clone()).collect();
        let (texts, pixels) = (Vec::new(), Vec::new());
        let batch = Batch { items, texts, pixels, schema: schema.clone(), resolution: 0, substituted: 0 };
        let embedding = text.encode(&captions)?;
        let embedding = if only.starts_with("prior") { embedding.detach() } else { embedding };
        let nll = prior.nll(&embedding, &labels(&batch, &device)?)?;
        let dependence = prior.dependence()?.affine(config.loss.attributes.dependence, 0.0)?;
        adam.step(&gradients(&nll.text.add(&nll.open)?.add(&dependence)?)?)?;
        if (step + 1) % 200 == 0 {
            let (said, open) = (nll.text.to_scalar::<f32>()?, nll.open.to_scalar::<f32>()?);
            println!("{:>6} steps, {said:.4} nats an attribute, {open:.4} an open one", step + 1);
        }
    }

    if let (Some(model), Some(out)) = (&into, &out) {
        let weights = parameters.vars();
        let weights = weights.iter().map(|(name, var)| (name.clone(), var.as_tensor().clone())).collect();
        write(model, out, &config, &tokenizer, weights)?;
        println!("{}", out.display());
    }

    // The claims that are understood, and all.
    let understood = |captions: &[Caption]| -> anyhow::Result<(usize, usize)> {
        let texts: Vec<String> = captions.iter().map(|caption| caption.text.clone()).collect();
        let content = prior.content(&text.encode(&texts)?)?;
        let right = captions.iter().zip(&content).flat_map(|(caption, content)| {
            caption.claims.iter().map(|claim| is_understood(claim, &content[claim.attribute]))
        });
        let right: Vec<bool> = right.collect();
        Ok((right.iter().filter(|right| **right).count(), right.len()))
    };
    let print = |name: &str, (right, all): (usize, usize)| {
        println!("{name}: {:.3} of {all} claims", right as f64 / all.max(1) as f64);
    };
    for (name, part) in [("val", &splits.val), ("test", &splits.test)] {
        let first = |index| Ok(part.captions(index)?.swap_remove(0));
        let captions: Vec<Caption> =
            (0..part.len().min(MEASURED)).map(first).collect::<anyhow::Result<_>>()?;
        print(name, understood(&captions)?);
    }
    if let Some(path) = &missed {
        let mut table = String::new();
        for one in people.captions() {
            let content = prior.content(&text.encode(std::slice::from_ref(&one.caption.text))?)?;
            for claim in &one.caption.claims {
                let of = &content[0][claim.attribute];
                if is_understood(claim, of) {
                    continue;
                }
                let attribute = &schema.attributes()[claim.attribute];
                let allowed: Vec<&str> =
                    claim.allowed.iter().map(|value| attribute.values[*value].as_str()).collect();
                let read: Vec<String> = std::iter::once("-")
                    .chain(attribute.values.iter().map(String::as_str))
                    .zip(of)
                    .filter(|(_, share)| **share > 0.1)
                    .map(|(value, share)| format!("{value} {share:.2}"))
                    .collect();
                let (class, caption) = (&one.class, &one.caption.text);
                let (name, allowed, read) = (&attribute.name, allowed.join("|"), read.join(", "));
                writeln!(table, "{class}\t{caption}\t{name}\t{allowed}\t{read}")?;
            }
        }
        std::fs::write(path, table).with_context(|| path.display().to_string())?;
    }
    let mut classes = BTreeMap::<&str, Vec<Caption>>::new();
    for one in people.captions() {
        for class in ["all", one.class.as_str()] {
            classes.entry(class).or_default().push(one.caption.clone());
        }
    }
    for (class, captions) in classes {
        print(&format!("people, {class}"), understood(&captions)?);
    }
    Ok(())
}

/// Whether the values that a claim allows have more than half of the probability; class 0 is "not mentioned".
fn is_understood(claim: &Claim, of: &[f32]) -> bool {
    claim.allowed.iter().map(|value| of[value + 1]).sum::<f32>() > 0.5
}

/// Writes a copy of `model` with another text encoder and prior, `weights`.
fn write(
    model: &Path,
    out: &Path,
    trained: &Config,
    tokenizer: &Tokenizer,
    weights: BTreeMap<String, Tensor>,
) -> anyhow::Result<()> {
    let mut tensors: BTreeMap<String, Tensor> =
        candle_core::safetensors::load(model, &Device::Cpu)?.into_iter().collect();
    let about = Model::load(model, "cpu", &Components::new())?;
    tensors.retain(|name, _| !name.starts_with("text."));
    tensors.extend(weights);
    // A text code without content: mean 0 and variance 1.
    let embedding_size = tensors["prior.said.weight"].dim(0)?;
    let outputs = 2 * about.config().gan.code_size;
    for (name, shape) in [("weight", vec![1, 1, embedding_size, outputs]), ("bias", vec![outputs])] {
        let zeros = Tensor::zeros(shape, DType::F32, &Device::Cpu)?;
        tensors.insert(format!("conditioning.transformer.{name}"), zeros);
    }
    let mut config = about.config().clone();
    (config.text, config.data) = (trained.text.clone(), trained.data.clone());
    config.loader.texts = trained.loader.texts;
    config.loss.attributes.temperature = trained.loss.attributes.temperature;
    config.loss.attributes.dependence = trained.loss.attributes.dependence;
    let level = about.resolution().ilog2() as usize - 2;
    let file = ModelFile {
        config: &config,
        schema: about.schema(),
        tokenizer,
        tensors,
        growth: Growth::stable(level),
        provenance: about.provenance().clone(),
    };
    Ok(file.save(out)?)
}
