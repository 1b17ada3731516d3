//! Times of the operators at the sizes of ProGAN's layers, batch 16: `cargo bench -p t2f-ops`, or
//! `cargo bench -p t2f-ops -- conv2d/3x3/forward` for some.
//!
//! Throughput counts the multiplications and additions of direct convolution, which criterion calls
//! elements: 1 Gelem/s is 1 GFLOP/s. `portable` is the form composed of candle's operators, at the one
//! size at which it is not too slow to measure.

use std::hint::black_box;
use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, Throughput};
use t2f_ops::grad::gradients;
use t2f_ops::rng::{Key, normal};
use t2f_ops::{
    ConvOptions, DType, Device, Result, Runtime, Tensor, Var, avg_pool2, conv2d, conv2d_portable, fade,
    minibatch_stddev, pixel_norm, upsample2,
};

const BATCH: usize = 16;
/// Channels and side of the feature maps of a level: of the wide network, then of the preset `quick`.
const LEVELS: [(usize, usize); 8] =
    [(256, 4), (256, 8), (256, 16), (256, 32), (128, 64), (96, 8), (64, 16), (48, 32)];
const RECTIFIED: ConvOptions =
    ConvOptions { padding: 1, scale: 0.02, upsample: false, slope: Some(0.2), dtype: None };

type Convolution = fn(&Tensor, &Tensor, Option<&Tensor>, ConvOptions) -> Result<Tensor>;

fn draw(shape: &[usize]) -> Tensor {
    normal(Key::new(1), shape, DType::F32, &Device::Cpu).expect("memory for a random tensor")
}

fn group<'a>(criterion: &'a mut Criterion, name: &str) -> BenchmarkGroup<'a, WallTime> {
    let mut group = criterion.benchmark_group(name);
    group.sample_size(15).warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
    group
}

/// The forward pass and both gradients of a convolution.
fn convolution(
    criterion: &mut Criterion,
    name: &str,
    conv: Convolution,
    kernel: usize,
    options: ConvOptions,
    levels: &[(usize, usize)],
) {
    for part in ["forward", "input gradient", "weight gradient"] {
        let mut group = group(criterion, &format!("conv2d/{name}/{part}"));
        for &(channels, side) in levels {
            let x = Var::from_tensor(&draw(&[BATCH, side, side, channels])).expect("a variable");
            let w = Var::from_tensor(&draw(&[kernel, kernel, channels, channels])).expect("a variable");
            let bias = draw(&[channels]);
            let apply = |x: &Tensor, w: &Tensor| conv(x, w, Some(&bias), options).expect("shapes that fit");
            let (x_held, w_held) = (x.as_detached_tensor(), w.as_detached_tensor());
            let y = apply(&x_held, &w_held);
            let flop = 2 * y.elem_count() * kernel * kernel * channels;
            group.throughput(Throughput::Elements(flop as u64));
            let id = BenchmarkId::from_parameter(format!("{channels} channels, {side} px"));
            let sum = |y: Tensor| y.sum_all().expect("a sum");
            match part {
                "forward" => group.bench_function(id, |b| b.iter(|| black_box(apply(&x_held, &w_held)))),
                "input gradient" => backward(&mut group, id, sum(apply(x.as_tensor(), &w_held))),
                _ => backward(&mut group, id, sum(apply(&x_held, w.as_tensor()))),
            };
        }
    }
}

fn backward<'a, 'b>(
    group: &'a mut BenchmarkGroup<'b, WallTime>,
    id: BenchmarkId,
    loss: Tensor,
) -> &'a mut BenchmarkGroup<'b, WallTime> {
    group.bench_function(id, |b| b.iter(|| black_box(gradients(&loss).expect("a gradient"))))
}

fn convolutions(criterion: &mut Criterion) {
    convolution(criterion, "3x3", conv2d, 3, RECTIFIED, &LEVELS);
    let upsampling = ConvOptions { upsample: true, ..RECTIFIED };
    convolution(criterion, "upsampling 3x3", conv2d, 3, upsampling, &[(256, 4), (256, 8), (256, 16)]);
    let unpadded = ConvOptions { padding: 0, ..RECTIFIED };
    convolution(criterion, "1x1", conv2d, 1, unpadded, &[(256, 4), (256, 32)]);
    convolution(criterion, "4x4 to one pixel", conv2d, 4, unpadded, &[(256, 4)]);
    convolution(criterion, "3x3 portable", conv2d_portable, 3, RECTIFIED, &[(64, 16)]);
}

fn pointwise(criterion: &mut Criterion) {
    type Operator = fn(&Tensor) -> Result<Tensor>;
    let operators: [(&str, Operator); 5] = [
        ("pixel norm", pixel_norm),
        ("average pooling", avg_pool2),
        ("upsampling", upsample2),
        ("fade-in", |x| fade(x, x, 0.5)),
        ("minibatch stddev", |x| minibatch_stddev(x, 4)),
    ];
    for (name, operator) in operators {
        for part in ["forward", "gradient"] {
            let mut group = group(criterion, &format!("{name}/{part}"));
            for (channels, side) in [(256, 4), (256, 32), (48, 32)] {
                let x = Var::from_tensor(&draw(&[BATCH, side, side, channels])).expect("a variable");
                group.throughput(Throughput::Bytes(4 * x.elem_count() as u64));
                let id = BenchmarkId::from_parameter(format!("{channels} channels, {side} px"));
                let apply = |x: &Tensor| operator(x).expect("shapes that fit");
                let constant = x.as_detached_tensor();
                match part {
                    "forward" => group.bench_function(id, |b| b.iter(|| black_box(apply(&constant)))),
                    _ => backward(&mut group, id, apply(x.as_tensor()).sum_all().expect("a sum")),
                };
            }
        }
    }
}

fn main() {
    Runtime::install();
    let mut criterion = Criterion::default().configure_from_args();
    convolutions(&mut criterion);
    pointwise(&mut criterion);
    criterion.final_summary();
}
