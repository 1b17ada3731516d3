//! Times of the single operators of a step, and of the largest matrix product.

use std::time::Instant;

use candle_core::{DType, Device, Tensor, Var};
use serde::{Deserialize, Serialize};
use t2f_ops::grad::gradients;
use t2f_ops::rng::{self, Key};
use t2f_ops::{ConvOptions, avg_pool2, conv2d, fade, minibatch_stddev, pixel_norm, upsample2};

use super::Benchmark;
use t2f_train::Result;

/// Throughput of a large matrix product in 10⁹ operations per second: the faster one of candle's and a 1x1
/// convolution of `t2f_ops`.
///
/// # Errors
/// If the device fails.
pub fn gemm_peak(device: &Device) -> Result<f64> {
    const SIDE: usize = 1024;
    let draw = |shape: &[usize]| rng::uniform(Key::new(0), shape, DType::F32, device);
    let (a, b) = (draw(&[SIDE, SIDE])?, draw(&[SIDE, SIDE])?);
    let (pixels, weights) = (a.reshape((1, 32, 32, SIDE))?, b.reshape((1, 1, SIDE, SIDE))?);
    let mut fastest = f64::MAX;
    for _ in 0..10 {
        let start = Instant::now();
        a.matmul(&b)?;
        device.synchronize()?;
        fastest = fastest.min(start.elapsed().as_secs_f64());
        let start = Instant::now();
        conv2d(&pixels, &weights, None, ConvOptions::default())?;
        device.synchronize()?;
        fastest = fastest.min(start.elapsed().as_secs_f64());
    }
    Ok(2.0 * (SIDE as f64).powi(3) / fastest / 1e9)
}

/// Throughput of a 3x3 convolution of `bf16`, 256 channels of 32x32 pixels, where the processor has tile
/// instructions for it; in 10⁹ operations per second, computed directly.
///
/// # Errors
/// If the device fails.
pub fn bf16_peak(device: &Device) -> Result<Option<f64>> {
    const CHANNELS: usize = 256;
    if !device.is_cpu() || !t2f_ops::has_fast_bf16() {
        return Ok(None);
    }
    let options = ConvOptions { padding: 1, ..ConvOptions::default() };
    let case = Case { name: "3x3", kernel: 3, channels: (CHANNELS, CHANNELS), side: 32, options };
    let time = case.time(16, DType::BF16, device)?;
    Ok(Some(time.gflop / time.forward_ms * 1e3))
}

/// The times of an operator.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OperatorTime {
    /// Name, channels, and side of the result.
    pub name: String,
    /// Milliseconds of the forward pass.
    pub forward_ms: f64,
    /// Milliseconds of the gradient of the input, and of writing the gradient of the result.
    pub input_gradient_ms: f64,
    /// Milliseconds of the gradient of the weights, if any, and of writing the gradient of the result.
    pub weight_gradient_ms: Option<f64>,
    /// Operations of the forward pass in 10⁹, computed directly; each gradient has as many. 0 for operators
    /// bound by memory.
    pub gflop: f64,
}

/// A convolution of the network.
struct Case {
    name: &'static str,
    kernel: usize,
    channels: (usize, usize),
    /// Side of the input.
    side: usize,
    options: ConvOptions,
}

/// Times of every distinct operator of the benchmark's networks up to its level. A time is the minimum of
/// several, since other load only increases it.
///
/// # Errors
/// If the device fails.
pub fn times(benchmark: &Benchmark, device: &Device) -> Result<Vec<OperatorTime>> {
    benchmark.precision.apply();
    let features = benchmark.precision.dtype(device);
    let mut rows = Vec::new();
    for case in convolutions(benchmark) {
        rows.push(case.time(benchmark.batch, features, device)?);
    }
    let top = benchmark.level;
    let full = (benchmark.batch, benchmark.resolution(), benchmark.resolution(), benchmark.channels[top]);
    let half = (full.0, full.1 / 2, full.2 / 2, full.3);
    let first = (benchmark.batch, 4, 4, benchmark.channels[0]);
    let group = if benchmark.batch.is_multiple_of(4) { 4 } else { 1 };
    let pointwise = |name, shape, f: &dyn Fn(&Tensor) -> candle_core::Result<Tensor>| {
        pointwise(name, shape, features, device, f)
    };
    rows.push(pointwise("pixel norm", full, &pixel_norm)?);
    if top > 0 {
        rows.push(pointwise("average pooling", full, &avg_pool2)?);
        rows.push(pointwise("doubling", half, &upsample2)?);
        rows.push(pointwise("fade-in", half, &|x| fade(x, x, 0.5))?);
    }
    rows.push(pointwise("minibatch stddev", first, &|x| minibatch_stddev(x, group))?);
    Ok(rows)
}

fn convolutions(benchmark: &Benchmark) -> Vec<Case> {
    let c = &benchmark.channels;
    let rectified = ConvOptions { scale: 0.02, slope: Some(0.2), ..ConvOptions::default() };
    let padded = ConvOptions { padding: 1, ..rectified };
    let mut cases = vec![
        Case {
            name: "1x1, text",
            kernel: 1,
            channels: (c[0] + benchmark.compressed_size, c[0]),
            side: 4,
            options: rectified,
        },
        Case { name: "4x4", kernel: 4, channels: (c[0], c[0]), side: 4, options: rectified },
        Case { name: "3x3", kernel: 3, channels: (c[0], c[0]), side: 4, options: padded },
    ];
    for level in 1..=benchmark.level {
        let (below, here, side) = (c[level - 1], c[level], 4 << level);
        let doubled = ConvOptions { upsample: true, ..padded };
        cases.push(Case {
            name: "doubling 3x3",
            kernel: 3,
            channels: (below, here),
            side: side / 2,
            options: doubled,
        });
        cases.push(Case { name: "3x3", kernel: 3, channels: (here, here), side, options: padded });
        if here != below {
            cases.push(Case { name: "3x3", kernel: 3, channels: (here, below), side, options: padded });
        }
    }
    let (top, side) = (c[benchmark.level], benchmark.resolution());
    cases.push(Case { name: "fromRGB", kernel: 1, channels: (3, top), side, options: rectified });
    let linear = ConvOptions { slope: None, ..rectified };
    cases.push(Case { name: "toRGB", kernel: 1, channels: (top, 3), side, options: linear });
    cases
}

impl Case {
    fn time(&self, batch: usize, features: DType, device: &Device) -> Result<OperatorTime> {
        let (k, (inputs, outputs)) = (self.kernel, self.channels);
        let draw = |shape: &[usize]| rng::normal(Key::new(1), shape, DType::F32, device);
        let x = draw(&[batch, self.side, self.side, inputs])?.to_dtype(features)?;
        let (w, bias) = (draw(&[k, k, inputs, outputs])?, draw(&[outputs])?);
        let apply = |x: &Tensor, w: &Tensor| conv2d(x, w, Some(&bias), self.options);
        let (x_var, w_var) = (Var::from_tensor(&x)?, Var::from_tensor(&w)?);
        let (_, _, side, _) = apply(&x, &w)?.dims4()?;
        let backward = |y: Tensor| -> Result<f64> {
            let loss = total(&y)?;
            least_ms(device, || gradients(&loss).map(drop))
        };
        Ok(OperatorTime {
            name: format!("{} {inputs}→{outputs}, {side} px", self.name),
            forward_ms: least_ms(device, || apply(&x, &w).map(drop))?,
            input_gradient_ms: backward(apply(&x_var, &w)?)?,
            weight_gradient_ms: Some(backward(apply(&x, &w_var)?)?),
            gflop: 2.0 * (batch * side * side * k * k * inputs * outputs) as f64 / 1e9,
        })
    }
}

fn pointwise(
    name: &str,
    shape: (usize, usize, usize, usize),
    features: DType,
    device: &Device,
    f: &dyn Fn(&Tensor) -> candle_core::Result<Tensor>,
) -> Result<OperatorTime> {
    let x = rng::normal(Key::new(1), shape, DType::F32, device)?.to_dtype(features)?;
    let loss = total(&f(Var::from_tensor(&x)?.as_tensor())?)?;
    Ok(OperatorTime {
        name: format!("{name} {}, from {} px", shape.3, shape.1),
        forward_ms: least_ms(device, || f(&x).map(drop))?,
        input_gradient_ms: least_ms(device, || gradients(&loss).map(drop))?,
        weight_gradient_ms: None,
        gflop: 0.0,
    })
}

/// The sum of a feature map, by a 1x1 convolution to one channel: the gradient of its input is one pass that writes
/// the map, and candle sums a channel only.
fn total(y: &Tensor) -> candle_core::Result<Tensor> {
    let ones = Tensor::ones((1, 1, y.dim(3)?, 1), DType::F32, y.device())?;
    conv2d(y, &ones, None, ConvOptions { dtype: Some(DType::F32), ..ConvOptions::default() })?.sum_all()
}

/// The minimum time of a call, in milliseconds, with all of its work on the device.
fn least_ms(device: &Device, mut f: impl FnMut() -> candle_core::Result<()>) -> Result<f64> {
    f()?;
    device.synchronize()?;
    let (begin, mut calls, mut least) = (Instant::now(), 0, f64::MAX);
    while calls < 3 || (calls < 30 && begin.elapsed().as_secs_f64() < 0.1) {
        let start = Instant::now();
        f()?;
        device.synchronize()?;
        least = least.min(start.elapsed().as_secs_f64() * 1e3);
        calls += 1;
    }
    Ok(least)
}
