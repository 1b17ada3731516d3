//! Noise read off images, and what drawing them again costs.

use candle_core::{DType, Tensor};
use t2f_gan::{GanConfig, LatentEncoder, ReconstructionConfig, Result};

use crate::tiny::{self, Nets, difference, values};

/// Noise of the tiny networks.
const NOISE: usize = 3;

fn encoder() -> Result<(Nets, LatentEncoder)> {
    let mut nets = Nets::new(&tiny::drawing_again(tiny::config()), DType::F64)?.shaken()?;
    let encoder = nets.latent_encoder.take().unwrap();
    Ok((nets, encoder))
}

#[test]
fn noise_and_divergence_follow_their_formula() -> Result<()> {
    let (nets, encoder) = encoder()?;
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
fn the_loss_is_the_mean_difference_and_the_divergence_each_weighted() -> Result<()> {
    let (nets, encoder) = encoder()?;
    let images = nets.normal("images", (2, 3, 16, 16))?;
    let encoded = encoder.encode(&images, &nets.normal("epsilon", (2, NOISE))?)?;
    let weights = tiny::drawing_again(tiny::config()).reconstruction;
    // Off by 0.3 one way on one image and the other way on the other; a third is drawn of other noise.
    let off = Tensor::new(&[0.3f64, -0.3], images.device())?.reshape((2, 1, 1, 1))?;
    let third = nets.normal("third", (1, 3, 16, 16))?;
    let parts = encoder.loss(&Tensor::cat(&[&images.broadcast_add(&off)?, &third], 0)?, &encoded)?;
    let part = |name: &str| values(parts.get(name).unwrap())[0];
    assert!((part("reconstruction") - 0.3 * weights.weight).abs() < 1e-12);
    assert!((part("noise") - values(&encoded.kl)[0] * weights.kl_weight).abs() < 1e-12);
    assert_eq!(parts.iter().count(), 2);
    Ok(())
}

#[test]
fn there_is_an_encoder_where_there_is_a_weight_and_noise_to_encode() {
    let rows = |config: &GanConfig| {
        let rows = config.parameter_table(tiny::EMBEDDING, &tiny::SIZES)?;
        Ok::<_, t2f_gan::Error>(rows.iter().filter(|row| row.name.starts_with("encoder.")).count())
    };
    let with = tiny::drawing_again(tiny::config());
    // Weight and bias of the reader's one layer, and of what it sees.
    assert_eq!((rows(&tiny::config()).unwrap(), rows(&with).unwrap()), (0, 4));
    let refused = |config: GanConfig| rows(&config).unwrap_err().to_string();
    let changed = |change: &dyn Fn(&mut ReconstructionConfig)| {
        let mut config = with.clone();
        change(&mut config.reconstruction);
        config
    };
    assert!(refused(changed(&|it| it.weight = -1.0)).contains("reconstruction.weight is -1"));
    assert!(refused(changed(&|it| it.kl_weight = f64::NAN)).contains("reconstruction.kl_weight is NaN"));
    assert!(refused(changed(&|it| it.encoder.clear())).contains("reconstruction.encoder is []"));
    let all_code = GanConfig { code_size: with.latent_size, ..with.clone() };
    assert!(refused(all_code).contains("code_size below latent_size"));
}
