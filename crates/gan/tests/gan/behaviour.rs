//! Fade-in, and independence of the batch and of the order of construction.

use candle_core::{DType, Device, Tensor};
use t2f_gan::{Channels, GanConfig, Growth, Resample, Result};
use t2f_ops::grad::gradients;
use t2f_ops::init::Parameters;
use t2f_ops::rng::Key;
use t2f_ops::{avg_pool2, to_nchw, to_nhwc, upsample2};

use crate::tiny::{self, Nets, difference, values};

fn latents(nets: &Nets, count: usize) -> Result<Tensor> {
    nets.normal("latent", (count, nets.generator.latent_size()))
}

/// Both networks at a state of growth, on fixed inputs: images and scores.
fn both(nets: &Nets, at: Growth) -> Result<(Tensor, Tensor)> {
    let images = nets.generator.forward(&latents(nets, 3)?, at)?;
    let reals = nets.normal(&format!("real {}", at.level), (3, 3, at.resolution(), at.resolution()))?;
    let scores = nets.discriminator.forward(&reals, &nets.normal("text", (3, tiny::EMBEDDING))?, at)?;
    Ok((images, scores))
}

#[test]
fn fade_in_ends_at_the_grown_network() -> Result<()> {
    for config in tiny::variants() {
        let nets = Nets::new(&config, DType::F64)?.shaken()?;
        for level in 1..=2 {
            let (images, scores) = both(&nets, Growth::stable(level))?;
            let (nearly_images, nearly_scores) = both(&nets, Growth { level, alpha: 1.0 - 1e-9 })?;
            let (halfway_images, halfway_scores) = both(&nets, Growth { level, alpha: 0.5 })?;
            assert!(difference(&images, &nearly_images) < 1e-7);
            assert!(difference(&scores, &nearly_scores) < 1e-7);
            assert!(difference(&images, &halfway_images) > 1e-2);
            assert!(difference(&scores, &halfway_scores) > 1e-3);
        }
    }
    Ok(())
}

#[test]
fn fade_in_starts_at_the_level_below() -> Result<()> {
    let nets = Nets::new(&tiny::config(), DType::F64)?.shaken()?;
    let (latent, text) =
        (nets.normal("latent", (3, tiny::LATENT))?, nets.normal("text", (3, tiny::EMBEDDING))?);
    for level in 1..=2 {
        let (start, below) = (Growth { level, alpha: 1e-10 }, Growth::stable(level - 1));
        let images = nets.generator.forward(&latent, start)?;
        let doubled = to_nchw(&upsample2(&to_nhwc(&nets.generator.forward(&latent, below)?)?)?)?;
        assert!(difference(&images, &doubled) < 1e-8);

        let reals = nets.normal("reals", (3, 3, start.resolution(), start.resolution()))?;
        let halved = to_nchw(&avg_pool2(&to_nhwc(&reals)?)?)?;
        let scores = nets.discriminator.forward(&reals, &text, start)?;
        assert!(difference(&scores, &nets.discriminator.forward(&halved, &text, below)?) < 1e-8);
    }
    Ok(())
}

#[test]
fn only_the_layers_in_use_get_gradients() -> Result<()> {
    let nets = Nets::new(&tiny::config(), DType::F32)?;
    let trained = |at: Growth| -> Result<Vec<String>> {
        let (images, scores) = both(&nets, at)?;
        let grads = gradients(&images.sum_all()?.add(&scores.sum_all()?)?)?;
        let vars = nets.parameters.vars().into_iter();
        Ok(vars.filter(|(_, var)| grads.get(var).is_some()).map(|(name, _)| name).collect())
    };
    let has = |names: &[String], prefix: &str| names.iter().any(|name| name.starts_with(prefix));
    let stable = trained(Growth::stable(1))?;
    assert!(has(&stable, "generator.layers.0.") && !has(&stable, "generator.layers.1."));
    assert!(has(&stable, "generator.rgb_converters.1.") && !has(&stable, "generator.rgb_converters.0."));
    assert!(!has(&stable, "discriminator.rgb_to_features.0.") && !has(&stable, "discriminator.layers.1."));
    let fading = trained(Growth { level: 1, alpha: 0.5 })?;
    assert!(has(&fading, "generator.rgb_converters.0.") && has(&fading, "discriminator.rgb_to_features.0."));
    Ok(())
}

#[test]
fn an_image_does_not_depend_on_the_rest_of_its_batch() -> Result<()> {
    for config in tiny::variants() {
        let nets = Nets::new(&config, DType::F64)?.shaken()?;
        let latent = latents(&nets, 4)?;
        let at = Growth { level: 2, alpha: 0.4 };
        let together = nets.generator.forward(&latent, at)?;
        for i in 0..4 {
            let alone = nets.generator.forward(&latent.narrow(0, i, 1)?, at)?;
            assert!(difference(&alone, &together.narrow(0, i, 1)?) < 1e-12);
        }
    }
    Ok(())
}

/// The scores of images together and alone.
fn scores_together_and_alone(config: &GanConfig) -> Result<(Tensor, Tensor)> {
    let nets = Nets::new(config, DType::F64)?.shaken()?;
    let at = Growth { level: 1, alpha: 0.4 };
    let (images, text) = (nets.normal("images", (4, 3, 8, 8))?, nets.normal("text", (4, tiny::EMBEDDING))?);
    let together = nets.discriminator.forward(&images, &text, at)?;
    let alone = (0..4)
        .map(|i| nets.discriminator.forward(&images.narrow(0, i, 1)?, &text.narrow(0, i, 1)?, at))
        .collect::<Result<Vec<_>>>()?;
    Ok((together, Tensor::cat(&alone, 0)?))
}

#[test]
fn a_score_depends_on_its_batch_by_minibatch_stddev_alone() -> Result<()> {
    for base in [tiny::config(), tiny::projection()] {
        let (together, alone) = scores_together_and_alone(&GanConfig { stddev_group: 1, ..base.clone() })?;
        assert!(difference(&together, &alone) < 1e-12);
        let (together, alone) = scores_together_and_alone(&GanConfig { stddev_group: 4, ..base })?;
        assert!(difference(&together, &alone) > 1e-3);
    }
    Ok(())
}

#[test]
fn first_values_do_not_depend_on_the_order_of_construction() -> Result<()> {
    let (config, cpu) = (tiny::config(), Device::Cpu);
    let generator = config.generator_shape(0)?;
    let discriminator = config.discriminator_shape(tiny::EMBEDDING, 0)?;
    let [forward, backward, other] = [5, 5, 6].map(|seed| Parameters::drawn(Key::new(seed)));
    for parameters in [&forward, &other] {
        let vb = parameters.builder(DType::F32, &cpu);
        config.generator(&generator, vb.pp("generator"))?;
        config.discriminator(&discriminator, vb.pp("discriminator"))?;
    }
    let vb = backward.builder(DType::F32, &cpu);
    config.discriminator(&discriminator, vb.pp("discriminator"))?;
    config.generator(&generator, vb.pp("generator"))?;
    for ((name, a), (same, b)) in forward.tensors().iter().zip(&backward.tensors()) {
        assert_eq!((name, values(a)), (same, values(b)));
    }
    let weight = "generator.layers.0.conv_1.weight";
    assert_ne!(values(&forward.tensors()[weight]), values(&other.tensors()[weight]));
    Ok(())
}

#[test]
fn scores_depend_on_the_text() -> Result<()> {
    for config in tiny::variants() {
        let nets = Nets::new(&config, DType::F64)?.shaken()?;
        let at = Growth::stable(0);
        let features = nets.discriminator.features(&nets.normal("images", (3, 3, 4, 4))?, at)?;
        let score =
            |name: &str| nets.discriminator.score(&features, &nets.normal(name, (3, tiny::EMBEDDING))?);
        assert!(difference(&score("text")?, &score("other")?) > 1e-3);
    }
    Ok(())
}

/// 16x16 has one map of 4x4, two of 8x8 and two of 16x16, in this order.
#[test]
fn noise_inputs_start_without_effect_and_reach_the_images_of_their_levels() -> Result<()> {
    let (plain, noisy) =
        (Nets::new(&tiny::projection(), DType::F64)?, Nets::new(&tiny::noisy(), DType::F64)?);
    let latent = latents(&noisy, 3)?;
    let size = tiny::LATENT + 16 + 2 * 64 + 2 * 256;
    assert_eq!(latent.dims(), [3, size]);
    let codes = latent.narrow(1, 0, tiny::LATENT)?;
    let at = Growth { level: 2, alpha: 0.4 };
    let without = plain.generator.forward(&codes, at)?;
    assert_eq!(values(&noisy.generator.forward(&latent, at)?), values(&without));

    let noisy = noisy.shaken()?;
    let first = |level: usize| [0, 16, 16 + 2 * 64][level] + tiny::LATENT;
    for of_map in 0..=2 {
        let column = first(of_map) + 5;
        let mut changed = latent.to_vec2::<f64>()?;
        changed.iter_mut().for_each(|row| row[column] += 1.0);
        let changed = Tensor::new(changed, &Device::Cpu)?;
        for level in 0..=2 {
            let images = |latent: &Tensor| noisy.generator.forward(latent, Growth::stable(level));
            let moved = difference(&images(&latent)?, &images(&changed)?);
            assert_eq!(moved > 1e-4, of_map <= level, "map of level {of_map} at level {level}: {moved}");
        }
    }
    Ok(())
}

/// Untrained, the levels above 4x4 add nothing but their skip paths.
#[test]
fn a_new_residual_level_starts_as_the_doubled_image_of_the_level_below() -> Result<()> {
    let nets = Nets::new(&tiny::residual(), DType::F64)?;
    let (latent, doubled) = (latents(&nets, 3)?, |x: &Tensor| to_nchw(&upsample2(&to_nhwc(x)?)?));
    for level in 1..=2 {
        let below = nets.generator.forward(&latent, Growth::stable(level - 1))?;
        let images = nets.generator.forward(&latent, Growth::stable(level))?;
        assert_eq!(values(&images), values(&doubled(&below)?));
    }
    let score = |nets: &Nets| Ok::<_, t2f_gan::Error>(both(nets, Growth::stable(2))?.1);
    let before = score(&nets)?;
    let change = |nets: &Nets, suffix: &str| -> Result<()> {
        let vars = nets.parameters.vars().into_iter();
        for (name, var) in
            vars.filter(|(name, _)| name.starts_with("discriminator.layers.") && name.ends_with(suffix))
        {
            var.set(&nets.normal(&name, var.shape())?)?;
        }
        Ok(())
    };
    change(&nets, "conv_1.weight")?;
    assert_eq!(values(&score(&nets)?), values(&before));
    change(&nets, "conv_2.weight")?;
    assert!(difference(&score(&nets)?, &before) > 1e-3);
    Ok(())
}

/// The mean squared difference of adjacent columns at multiples of 4, relative to that at odd places, without
/// the border. Nearest doubling leaves the edges of its squares; bilinear doubling leaves none.
#[test]
fn smooth_doubling_leaves_no_edges_between_squares() -> Result<()> {
    let edges = |resample: Resample| -> Result<f64> {
        let channels = Channels::List(vec![8; 4]);
        let config = GanConfig { resolution: 32, channels, resample, ..tiny::residual() };
        let nets = Nets::new(&config, DType::F64)?;
        let images = nets.generator.forward(&latents(&nets, 8)?, Growth::stable(3))?;
        let step = images.narrow(3, 1, 31)?.sub(&images.narrow(3, 0, 31)?)?.sqr()?.mean((0, 1, 2))?;
        let step = step.to_vec1::<f64>()?; // at index i between columns i and i + 1
        let mean = |every: &dyn Fn(usize) -> bool| {
            let of: Vec<f64> = (6..26).filter(|i| every(i + 1)).map(|i| step[i]).collect();
            of.iter().sum::<f64>() / of.len() as f64
        };
        Ok(mean(&|place| place % 4 == 0) / mean(&|place| place % 4 != 0))
    };
    let (nearest, smooth) = (edges(Resample::Nearest)?, edges(Resample::Smooth)?);
    assert!(nearest > 10.0 && smooth < 2.0, "{nearest} {smooth}");
    Ok(())
}
