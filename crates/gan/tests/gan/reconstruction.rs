//! The noise that is inferred from images, and the loss of their reconstructions.

use candle_core::{DType, Device, Tensor};
use t2f_gan::{
    Conditioned, GanConfig, GeneratorInputs, Growth, LatentEncoder, LossConfig, Objective,
    ReconstructionConfig, Result,
};
use t2f_ops::rng::Key;
use t2f_ops::scheduled::{Curve, Scheduled};

use crate::tiny::{self, GeneratorBatch, NOISE, Nets, Texts, difference, values};

fn nets() -> Result<Nets> {
    Nets::with_loss(&tiny::config(), &tiny::with_reconstruction(), DType::F64)?.shaken()
}

fn objective(nets: &Nets) -> &dyn Objective {
    &**nets.objectives.iter().find(|objective| objective.name() == "reconstruction").unwrap()
}

/// The encoder of the objective, on the same parameters.
fn encoder(nets: &Nets) -> Result<LatentEncoder> {
    let vb = nets.parameters.builder(DType::F64, &Device::Cpu);
    LatentEncoder::new(&tiny::with_reconstruction().reconstruction.encoder, NOISE, &vb.pp("encoder"))
}

#[test]
fn noise_and_divergence_follow_their_formula() -> Result<()> {
    let nets = nets()?;
    let encoder = encoder(&nets)?;
    let images = nets.normal("images", (4, 3, 16, 16))?;
    let epsilon = nets.normal("epsilon", (4, NOISE))?;
    let of = |epsilon: &Tensor| Ok::<_, t2f_gan::Error>(encoder.encode(&images, epsilon)?.noise);
    let mu = of(&epsilon.zeros_like()?)?;
    let sigma = of(&epsilon.ones_like()?)?.sub(&mu)?;
    assert!(values(&sigma).iter().all(|sigma| *sigma > 0.0));
    let encoded = encoder.encode(&images, &epsilon)?;
    assert!(difference(&encoded.noise, &mu.add(&sigma.mul(&epsilon)?)?) < 1e-12);
    let nats = |(mu, sigma): (&f64, &f64)| 0.5 * (mu * mu + sigma * sigma - 2.0 * sigma.ln() - 1.0);
    let want = values(&mu).iter().zip(&values(&sigma)).map(nats).sum::<f64>() / 4.0;
    assert!((values(&encoded.kl)[0] - want).abs() < 1e-12);
    // An image's noise does not depend on the others.
    let alone = encoder.encode(&images.narrow(0, 2, 1)?, &epsilon.narrow(0, 2, 1)?)?;
    assert!(difference(&alone.noise, &encoded.noise.narrow(0, 2, 1)?) < 1e-12);
    Ok(())
}

#[test]
fn noise_is_inferred_of_the_first_half_of_a_batch() -> Result<()> {
    let nets = nets()?;
    let images = nets.normal("images", (5, 3, 16, 16))?;
    let epsilon = nets.normal("epsilon", (5, NOISE))?;
    let inferred = objective(&nets).infer(&images, &epsilon)?.unwrap();
    let first = |x: &Tensor| x.narrow(0, 0, 3);
    let want = encoder(&nets)?.encode(&first(&images)?, &first(&epsilon)?)?;
    assert_eq!(values(&inferred.noise), values(&want.noise));
    assert_eq!(values(&inferred.images), values(&first(&images)?));
    assert_eq!(values(&inferred.kl), values(&want.kl));
    // Of the objectives this is the only one.
    let all = Nets::with_loss(&tiny::config(), &tiny::with_all(true), DType::F64)?;
    for objective in &all.objectives {
        let infers = objective.infer(&images, &epsilon)?.is_some();
        assert_eq!(infers, objective.name() == "reconstruction", "{}", objective.name());
    }
    Ok(())
}

#[test]
fn the_loss_is_the_mean_difference_and_the_divergence_each_weighted() -> Result<()> {
    let nets = nets()?;
    let images = nets.normal("images", (3, 3, 16, 16))?;
    let inferred = objective(&nets).infer(&images, &nets.normal("epsilon", (3, NOISE))?)?.unwrap();
    let weights = tiny::with_reconstruction().reconstruction;
    // Off by 0.3 one way on one image and the other way on the other; the third has other noise.
    let off = Tensor::new(&[0.3f64, -0.3], images.device())?.reshape((2, 1, 1, 1))?;
    let third = nets.normal("third", (1, 3, 16, 16))?;
    let fake = Tensor::cat(&[&inferred.images.broadcast_add(&off)?, &third], 0)?;
    let text = nets.normal("text", (3, tiny::EMBEDDING))?;
    let conditioned = Conditioned { code: text.clone(), kl: text.sum_all()? };
    let batch = GeneratorBatch {
        fake: &fake,
        real: &images,
        condition: &text,
        conditioned: &conditioned,
        inferred: Some(&inferred),
        at: Growth::stable(2),
    };
    let texts = Texts { embedding: &text, others: None, labels: None, key: Key::new(3) };
    let inputs = tiny::generator_inputs(&batch, &text, texts);
    let terms = objective(&nets).generator_terms(&inputs)?;
    let term = |name: &str| values(terms.get(name).unwrap())[0];
    assert!((term("reconstruction") - 0.3 * weights.weight.at(0.0)).abs() < 1e-12);
    assert!((term("noise") - values(&inferred.kl)[0] * weights.kl_weight).abs() < 1e-12);
    assert_eq!(tiny::names(&terms), ["reconstruction", "noise"]);
    // The weight may change over the run.
    let mut falling = tiny::with_reconstruction();
    falling.reconstruction.weight = Scheduled::new(4.0, 1.0, Curve::Linear);
    let falling = Nets::with_loss(&tiny::config(), &falling, DType::F64)?;
    for (progress, weight) in [(0.0, 4.0), (0.5, 2.5), (1.0, 1.0)] {
        let terms = objective(&falling).generator_terms(&GeneratorInputs { progress, ..inputs })?;
        assert!((values(terms.get("reconstruction").unwrap())[0] - 0.3 * weight).abs() < 1e-12);
    }
    let without = GeneratorBatch { inferred: None, ..batch };
    let terms = objective(&nets).generator_terms(&tiny::generator_inputs(&without, &text, texts))?;
    assert!(tiny::names(&terms).is_empty());
    Ok(())
}

#[test]
fn there_is_an_encoder_where_there_is_a_weight_and_noise_to_encode() {
    let rows_of = |config: &GanConfig, loss: &LossConfig| {
        let rows = config.parameter_table(loss, tiny::EMBEDDING, &tiny::SIZES)?;
        Ok::<_, t2f_gan::Error>(rows.iter().filter(|row| row.name.starts_with("encoder.")).count())
    };
    let rows = |loss: &LossConfig| rows_of(&tiny::config(), loss);
    let with = tiny::with_reconstruction();
    // Weight and bias of the encoder's one layer, and of the linear layer on its features.
    assert_eq!((rows(&LossConfig::default()).unwrap(), rows(&with).unwrap()), (0, 4));
    let refused = |change: &dyn Fn(&mut ReconstructionConfig)| {
        let mut loss = with.clone();
        change(&mut loss.reconstruction);
        let message = rows(&loss).unwrap_err().to_string();
        assert_eq!(loss.check().unwrap_err().to_string(), message);
        message
    };
    assert!(refused(&|it| it.weight = (-1.0).into()).contains("loss.reconstruction.weight is -1"));
    assert!(refused(&|it| it.kl_weight = f64::NAN).contains("loss.reconstruction.kl_weight is NaN"));
    assert!(refused(&|it| it.encoder.clear()).contains("loss.reconstruction.encoder is []"));
    let all_code = GanConfig { code_size: tiny::LATENT, ..tiny::config() };
    assert!(rows_of(&all_code, &with).unwrap_err().to_string().contains("code_size below latent_size"));
}
