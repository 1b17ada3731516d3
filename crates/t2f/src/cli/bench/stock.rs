//! The benchmark's step with candle alone: `conv2d` in NCHW, `AdamW`, `backward`.
//!
//! Doubling and halving are reshapes, since the gradient of candle's own doubling is wrong if its input has
//! a second consumer, as in a fade-in.

use std::collections::BTreeMap;

use crate::cli::bench::benchmark::{Benchmark, Loss, formula};
use candle_core::{D, Device, Result, Tensor, Var};
use candle_nn::optim::{AdamW, Optimizer, ParamsAdamW};

/// The two networks and their optimisers.
#[derive(Debug)]
pub struct Stock {
    benchmark: Benchmark,
    g_params: Weights,
    d_params: Weights,
    average: BTreeMap<String, Tensor>,
    adams: [AdamW; 2],
    batch: Batch,
}

#[derive(Debug)]
struct Batch {
    real: Tensor,       // (B, 3, R, R)
    embedding: Tensor,  // (B, E)
    mismatched: Tensor, // (B, E)
    noise: Tensor,      // (B, Z)
    mix: Tensor,        // (B, 1, 1, 1)
}

/// Parameters by name; `frozen` ones have no gradient.
#[derive(Clone, Debug, Default)]
struct Weights {
    vars: BTreeMap<String, Var>,
    frozen: bool,
}

impl Weights {
    /// `scale` times the weight of that name, as `(O, I, K, K)`.
    fn weight(&self, name: &str, rectified: bool) -> Result<Tensor> {
        let weight = self.get(&format!("{name}.weight"))?;
        let (_, i, k, _) = weight.dims4()?;
        let gain = if rectified { std::f64::consts::SQRT_2 } else { 1.0 };
        weight.affine(gain / ((k * k * i) as f64).sqrt(), 0.0)
    }

    fn get(&self, name: &str) -> Result<Tensor> {
        match self.vars.get(name) {
            Some(var) if self.frozen => Ok(var.as_detached_tensor()),
            Some(var) => Ok(var.as_tensor().clone()),
            None => candle_core::bail!("the parameter {name} is missing"),
        }
    }

    fn conv(&self, name: &str, x: &Tensor, rectified: bool) -> Result<Tensor> {
        let weight = self.weight(name, rectified)?;
        let padding = usize::from(weight.dim(3)? == 3);
        let bias = self.get(&format!("{name}.bias"))?;
        let y = x.conv2d(&weight, padding, 1, 1, 1)?.broadcast_add(&bias.reshape((1, (), 1, 1))?)?;
        if rectified { leaky_relu(&y) } else { Ok(y) }
    }
}

fn leaky_relu(x: &Tensor) -> Result<Tensor> {
    x.maximum(&x.affine(0.2, 0.0)?)
}

fn pixel_norm(x: &Tensor) -> Result<Tensor> {
    x.broadcast_div(&x.sqr()?.mean_keepdim(1)?.affine(1.0, 1e-8)?.sqrt()?)
}

fn double(x: &Tensor) -> Result<Tensor> {
    let (b, c, h, w) = x.dims4()?;
    x.reshape((b, c, h, 1, w, 1))?.broadcast_as((b, c, h, 2, w, 2))?.reshape((b, c, 2 * h, 2 * w))
}

fn halve(x: &Tensor) -> Result<Tensor> {
    let (b, c, h, w) = x.dims4()?;
    x.reshape((b, c, h / 2, 2, w / 2, 2))?.mean((3, 5))
}

fn softplus(x: &Tensor) -> Result<Tensor> {
    x.relu()?.add(&x.abs()?.neg()?.exp()?.affine(1.0, 1.0)?.log()?)
}

impl Stock {
    /// Networks and data by [`formula`].
    pub fn new(benchmark: &Benchmark) -> Result<Self> {
        let y = benchmark;
        let table = y.parameter_table().map_err(candle_core::Error::wrap)?;
        let (mut g_params, mut d_params) = (Weights::default(), Weights::default());
        for row in table {
            let mut value = formula(&row.name, &row.shape, &Device::Cpu)?;
            if value.rank() == 4 {
                value = value.permute((3, 2, 0, 1))?.contiguous()?; // (O, I, K, K)
            }
            let set = if row.name.starts_with("discriminator.") { &mut d_params } else { &mut g_params };
            set.vars.insert(row.name, Var::from_tensor(&value)?);
        }
        let average = g_params.vars.iter().map(|(name, var)| Ok((name.clone(), var.copy()?)));
        let average = average.collect::<Result<_>>()?;
        let adam = |weights: &Weights| {
            let params = ParamsAdamW { lr: 1e-3, beta1: 0.0, beta2: 0.99, eps: 1e-8, weight_decay: 0.0 };
            AdamW::new(weights.vars.values().cloned().collect(), params)
        };
        let adams = [adam(&g_params)?, adam(&d_params)?];
        let (b, side) = (y.batch, y.resolution());
        let numbers = |name: &str, shape: &[usize]| formula(name, shape, &Device::Cpu);
        let batch = Batch {
            real: numbers("real", &[b, 3, side, side])?.affine(1.0 / 3f64.sqrt(), 0.0)?,
            embedding: numbers("embedding", &[b, y.embedding_size])?,
            mismatched: numbers("mismatched", &[b, y.embedding_size])?,
            noise: numbers("noise", &[b, y.latent_size])?,
            mix: Tensor::full(0.5f32, (b, 1, 1, 1), &Device::Cpu)?,
        };
        Ok(Self { benchmark: y.clone(), g_params, d_params, average, adams, batch })
    }

    /// One training step.
    pub fn step(&mut self) -> Result<()> {
        let (fake, kl) = self.generate()?;
        let loss = self.discriminator_loss(&fake.detach())?;
        self.adams[1].backward_step(&loss)?;
        let loss = self.generator_loss(&fake, &kl)?;
        self.adams[0].backward_step(&loss)?;
        for (name, average) in &mut self.average {
            let value = self.g_params.vars[name].as_detached_tensor();
            *average = average.affine(0.999, 0.0)?.add(&value.affine(0.001, 0.0)?)?.detach();
        }
        Ok(())
    }

    /// Generated images and the divergence of the conditioning augmentation.
    fn generate(&self) -> Result<(Tensor, Tensor)> {
        let (w, y, batch) = (&self.g_params, &self.benchmark, &self.batch);
        let b = y.batch;
        let vector = batch.embedding.reshape((b, (), 1, 1))?;
        let both = w.conv("conditioning.transformer", &vector, false)?.reshape((b, ()))?;
        let mu = both.narrow(1, 0, y.code_size)?;
        let log_variance = both.narrow(1, y.code_size, y.code_size)?;
        let kl = mu.sqr()?.add(&log_variance.exp()?)?.sub(&log_variance)?.affine(0.5, -0.5)?.mean_all()?;
        let code = batch.noise.narrow(1, 0, y.code_size)?;
        let code = mu.add(&log_variance.affine(0.5, 0.0)?.exp()?.mul(&code)?)?;
        let rest = batch.noise.narrow(1, y.code_size, y.latent_size - y.code_size)?;
        let latent = pixel_norm(&Tensor::cat(&[&code, &rest], 1)?)?;

        let weight = w.get("generator.initial_block.conv_1.weight")?; // (16·O, Z, 1, 1), pixel first
        let scale = (2.0 / (16 * y.latent_size) as f64).sqrt();
        let x = latent.matmul(&weight.reshape(((), y.latent_size))?.affine(scale, 0.0)?.t()?)?;
        let x = x.reshape((b, 4, 4, ()))?.permute((0, 3, 1, 2))?.contiguous()?;
        let bias = w.get("generator.initial_block.conv_1.bias")?.reshape((1, (), 1, 1))?;
        let x = pixel_norm(&leaky_relu(&x.broadcast_add(&bias)?)?)?;
        let mut x = pixel_norm(&w.conv("generator.initial_block.conv_2", &x, true)?)?;
        let mut below = x.clone();
        for i in 0..y.level {
            below = x;
            x = pixel_norm(&w.conv(&format!("generator.layers.{i}.conv_1"), &double(&below)?, true)?)?;
            x = pixel_norm(&w.conv(&format!("generator.layers.{i}.conv_2"), &x, true)?)?;
        }
        let rgb = |level: usize, x: &Tensor| w.conv(&format!("generator.rgb_converters.{level}"), x, false);
        let image = rgb(y.level, &x)?;
        if y.level == 0 || y.alpha >= 1.0 {
            return Ok((image, kl));
        }
        Ok((fade(&image, &double(&rgb(y.level - 1, &below)?)?, y.alpha)?, kl))
    }

    fn features(&self, w: &Weights, images: &Tensor) -> Result<Tensor> {
        let (y, name) = (&self.benchmark, "discriminator");
        let rgb = |level: usize, x: &Tensor| w.conv(&format!("{name}.rgb_to_features.{level}"), x, true);
        let block = |i: usize, x: &Tensor| {
            let x = w.conv(&format!("{name}.layers.{i}.conv_1"), x, true)?;
            halve(&w.conv(&format!("{name}.layers.{i}.conv_2"), &x, true)?)
        };
        let mut x = rgb(y.level, images)?;
        for i in (0..y.level).rev() {
            x = block(i, &x)?;
            if i + 1 == y.level && y.alpha < 1.0 {
                x = fade(&x, &rgb(i, &halve(images)?)?, y.alpha)?;
            }
        }
        let (b, c, h, wd) = x.dims4()?;
        let group = (1..=b.min(4)).rev().find(|&group| b.is_multiple_of(group)).unwrap_or(1);
        let grouped = x.reshape((b / group, group, c * h * wd))?;
        let centred = grouped.broadcast_sub(&grouped.mean_keepdim(1)?)?;
        let deviation = centred.sqr()?.mean(1)?.affine(1.0, 1e-8)?.sqrt()?.mean_keepdim(D::Minus1)?;
        let plane = deviation.broadcast_as((b / group, group))?.reshape((b, 1, 1, 1))?;
        let x = Tensor::cat(&[&x, &plane.broadcast_as((b, 1, h, wd))?.contiguous()?], 1)?;
        w.conv(&format!("{name}.final_block.conv_1"), &x, true)
    }

    fn score(&self, w: &Weights, features: &Tensor, embedding: &Tensor) -> Result<Tensor> {
        let (b, _, h, wd) = features.dims4()?;
        let last = |part: &str| format!("discriminator.final_block.{part}");
        let text = w.conv(&last("compressor"), &embedding.reshape((b, (), 1, 1))?, false)?;
        let text = text.broadcast_as((b, text.dim(1)?, h, wd))?.contiguous()?;
        let x = w.conv(&last("conv_2"), &Tensor::cat(&[features, &text], 1)?, true)?;
        w.conv(&last("conv_4"), &w.conv(&last("conv_3"), &x, true)?, false)?.reshape(b)
    }

    fn discriminator_loss(&self, fake: &Tensor) -> Result<Tensor> {
        let (w, batch) = (&self.d_params, &self.batch);
        let on_fake = self.score(w, &self.features(w, fake)?, &batch.embedding)?;
        let features = self.features(w, &batch.real)?;
        let on_real = self.score(w, &features, &batch.embedding)?;
        if self.benchmark.loss == Loss::Ns {
            return softplus(&on_fake)?.mean_all()?.add(&softplus(&on_real.neg()?)?.mean_all()?);
        }
        let on_wrong = self.score(w, &features, &batch.mismatched)?;
        let mixed = fake.add(&batch.real.sub(fake)?.broadcast_mul(&batch.mix)?)?;
        let mixed = Var::from_tensor(&mixed)?;
        let scores = self.score(w, &self.features(w, mixed.as_tensor())?, &batch.embedding)?;
        let mut gradients = scores.sum_all()?.backward()?;
        let Some(gradient) = gradients.remove(&mixed) else {
            candle_core::bail!("the scores do not depend on the images")
        };
        let norms = gradient.sqr()?.flatten_from(1)?.sum(1)?.affine(1.0, 1e-12)?.sqrt()?;
        let penalty = norms.affine(1.0, -1.0)?.sqr()?.mean_all()?.affine(10.0, 0.0)?;
        let scores = on_fake.add(&on_wrong)?.affine(0.5, 0.0)?.sub(&on_real)?.mean_all()?;
        scores.add(&on_real.sqr()?.mean_all()?.affine(0.001, 0.0)?)?.add(&penalty)
    }

    fn generator_loss(&self, fake: &Tensor, kl: &Tensor) -> Result<Tensor> {
        let w = Weights { frozen: true, ..self.d_params.clone() };
        let scores = self.score(&w, &self.features(&w, fake)?, &self.batch.embedding)?;
        let adversarial = match self.benchmark.loss {
            Loss::WganGp => scores.mean_all()?.neg()?,
            Loss::Ns => softplus(&scores.neg()?)?.mean_all()?,
        };
        adversarial.add(&kl.affine(2.0, 0.0)?)
    }
}

fn fade(new: &Tensor, old: &Tensor, alpha: f64) -> Result<Tensor> {
    new.affine(alpha, 0.0)?.add(&old.affine(1.0 - alpha, 0.0)?)
}

#[cfg(test)]
mod tests {
    use candle_core::DType;

    use super::*;

    #[test]
    fn stock_candle_computes_the_same_losses() {
        for loss in [Loss::Ns, Loss::WganGp] {
            let tiny = Benchmark {
                channels: vec![8, 6, 4],
                latent_size: 12,
                code_size: 8,
                embedding_size: 10,
                compressed_size: 6,
                batch: 8,
                ..Benchmark::wide(2, loss)
            };
            let ours = tiny.parity(&Device::Cpu).unwrap();
            let mut stock = Stock::new(&tiny).unwrap();
            stock.batch.mix =
                Tensor::new(ours.mix.clone(), &Device::Cpu).unwrap().reshape((8, 1, 1, 1)).unwrap();
            let (fake, kl) = stock.generate().unwrap();
            let close = |loss: Tensor, ours: f64| {
                let loss = f64::from(loss.to_dtype(DType::F32).unwrap().to_scalar::<f32>().unwrap());
                assert!((loss - ours).abs() < 1e-4 * ours.abs().max(1.0), "{loss}, expected {ours}");
            };
            close(stock.discriminator_loss(&fake.detach()).unwrap(), ours.discriminator_loss);
            close(stock.generator_loss(&fake, &kl).unwrap(), ours.generator_loss);
            let before = stock.d_params.vars["discriminator.final_block.conv_4.weight"].copy().unwrap();
            stock.step().unwrap();
            let after = &stock.d_params.vars["discriminator.final_block.conv_4.weight"];
            let moved =
                after.sub(&before).unwrap().abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap();
            assert!(moved > 1e-4, "Adam's first step moves every weight by its rate, not by {moved}");
        }
    }
}
