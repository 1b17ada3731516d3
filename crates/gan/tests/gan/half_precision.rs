//! Networks with feature maps of `bf16` against the same networks in double precision.

use candle_core::{DType, Device};
use t2f_gan::loss::penalty::squared_gradient;
use t2f_gan::{Channels, DiscriminatorBatch, GanConfig, Growth, Head, LossConfig, Resample, Result};
use t2f_ops::grad::gradients;
use t2f_ops::rng::{Key, normal};

use crate::tiny::{self, EMBEDDING, Nets, values};

const FADING: Growth = Growth { level: 1, alpha: 0.4 };

/// Every kind of layer that feature maps pass through.
fn configurations() -> [(&'static str, GanConfig); 4] {
    let config = GanConfig {
        resolution: 8,
        channels: Channels::List(vec![24, 16]),
        stddev_group: 2,
        ..tiny::config()
    };
    [
        ("projection head", GanConfig { head: Head::Projection, ..config.clone() }),
        (
            "concatenation, modulation and noise",
            GanConfig { head: Head::Concat, modulation: true, noise_inputs: true, ..config.clone() },
        ),
        (
            "residual levels, smooth doubling",
            GanConfig { residual: true, resample: Resample::Smooth, ..config.clone() },
        ),
        ("T2F's layers", GanConfig { channels: config.channels, resolution: 8, ..tiny::compat() }),
    ]
}

/// Images and scores, and the gradients of `Σ score² + R1` with respect to every parameter of the discriminator and
/// of `Σ r·image²` with respect to those of the generator, by name.
type Numbers = Vec<(String, Vec<f64>)>;

fn numbers(config: &GanConfig, dtype: DType, features: DType) -> Result<Numbers> {
    let nets = Nets::with_features(config, &LossConfig::default(), dtype, features)?;
    let draw = |name: &str, shape: &[usize]| {
        normal(Key::new(3).child(name), shape, DType::F32, &Device::Cpu)?.to_dtype(dtype)
    };
    let latent = draw("latent", &[4, nets.generator.latent_size()])?;
    let images = nets.generator.forward(&latent, FADING)?;
    let real = draw("real", images.dims())?;
    let condition = draw("condition", &[4, EMBEDDING])?;
    let scores = nets.discriminator.forward(&real, &condition, FADING)?;
    assert_eq!((images.dtype(), scores.dtype()), (dtype, dtype));
    let batch = DiscriminatorBatch {
        real: &real,
        fake: &images.detach(),
        condition: &condition,
        mismatched: None,
        at: FADING,
        key: Key::new(3),
        step: 0,
        progress: 0.0,
    };
    let penalty = squared_gradient(nets.discriminator.as_ref(), &batch, &real)?;
    let of_d = scores.sqr()?.sum_all()?.add(&penalty)?;
    let of_g = images.sqr()?.mul(&draw("weights", images.dims())?)?.sum_all()?;
    let mut all = vec![("images".to_owned(), values(&images)), ("scores".to_owned(), values(&scores))];
    for loss in [of_d, of_g] {
        let grads = gradients(&loss)?;
        for (name, var) in nets.parameters.vars() {
            if let Some(gradient) = grads.get(&var) {
                assert_eq!(gradient.dtype(), dtype, "{name}");
                all.push((name, values(gradient)));
            }
        }
    }
    Ok(all)
}

/// The root mean square of the difference, as a share of that of the numbers.
fn relative_error(got: &[f64], want: &[f64]) -> f64 {
    let sum = |numbers: &mut dyn Iterator<Item = f64>| numbers.map(|v| v * v).sum::<f64>();
    let difference = sum(&mut got.iter().zip(want).map(|(g, w)| g - w));
    (difference / sum(&mut want.iter().copied()).max(1e-30)).sqrt()
}

#[test]
fn networks_of_bf16_are_those_of_double_precision_up_to_rounding() -> Result<()> {
    for (name, config) in configurations() {
        let got = numbers(&config, DType::F32, DType::BF16)?;
        let want = numbers(&config, DType::F64, DType::F64)?;
        let exact = numbers(&config, DType::F32, DType::F32)?;
        assert!(got.len() > 20, "{name}");
        let (mut all, mut all_wanted) = (Vec::new(), Vec::new());
        for ((of, got), (other, want)) in got.iter().zip(&want) {
            assert_eq!((of, got.len()), (other, want.len()), "{name}");
            // The terms of a bias gradient cancel; the errors of their rounding do not.
            let error = relative_error(got, want);
            assert!(error < 0.25, "{name}, {of}: {error:e}");
            all.extend(got);
            all_wanted.extend(want);
        }
        let error = relative_error(&all, &all_wanted);
        assert!(error < 0.06, "{name}: {error:e}");
        let mut rounded = 0;
        for ((_, got), (_, exact)) in got.iter().zip(&exact) {
            rounded += usize::from(got != exact);
        }
        assert!(rounded > got.len() / 2, "{name}: feature maps are rounded");
    }
    Ok(())
}
