//! Times of the convolution's three operators, fused and portable, at the sizes of ProGAN's layers.
//!
//! GFLOP/s count the multiplications of direct convolution. An argument leaves out the portable
//! form: `conv_bench fused`.

#![allow(clippy::print_stdout)] // what an example is for

use std::time::Instant;

use t2f_ops::conv2d::{ConvOptions, conv2d, portable};
use t2f_ops::rng::{Key, normal};
use t2f_ops::{DType, Device, Result, Tensor, Var};

const OPTIONS: ConvOptions = ConvOptions { padding: 1, scale: 0.02, upsample: false, slope: Some(0.2) };

type Convolution = fn(&Tensor, &Tensor, Option<&Tensor>, ConvOptions) -> Result<Tensor>;

/// Least milliseconds of a call: other work on the machine only adds to it.
fn time(mut f: impl FnMut() -> Result<()>) -> Result<f64> {
    f()?;
    let mut times = Vec::new();
    let begin = Instant::now();
    while times.len() < 3 || (times.len() < 40 && begin.elapsed().as_secs_f64() < 0.4) {
        let start = Instant::now();
        f()?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    Ok(times.into_iter().fold(f64::MAX, f64::min))
}

fn measure(conv: Convolution, batch: usize, channels: usize, side: usize) -> Result<[f64; 3]> {
    let draw = |shape: &[usize]| normal(Key::new(1), shape, DType::F32, &Device::Cpu);
    let x = draw(&[batch, side, side, channels])?;
    let (w, bias) = (draw(&[3, 3, channels, channels])?, draw(&[channels])?);
    let (x_var, w_var) = (Var::from_tensor(&x)?, Var::from_tensor(&w)?);
    let forward = time(|| conv(&x, &w, Some(&bias), OPTIONS).map(drop))?;
    let both = |x: &Tensor, w: &Tensor| -> Result<f64> {
        let loss = conv(x, w, Some(&bias), OPTIONS)?.sum_all()?;
        time(|| loss.backward().map(drop))
    };
    Ok([forward, both(&x_var, &w)?, both(&x, &w_var)?])
}

fn main() -> Result<()> {
    let fused_only = std::env::args().nth(1).is_some();
    println!("batch 16, 3x3, ms and effective GFLOP/s: forward, input gradient, weight gradient");
    for (channels, side) in [(256, 4), (256, 8), (256, 16), (128, 32), (64, 32), (64, 64), (48, 32)] {
        let work = 2.0 * 9.0 * 16.0 * (channels * channels * side * side) as f64 / 1e6; // MFLOP = GFLOP/s·ms
        let fused = measure(conv2d, 16, channels, side)?;
        print!("{channels:4} ch {side:3} px  fused");
        fused.iter().for_each(|ms| print!("  {ms:8.2} ms {:5.0}", work / ms));
        if !fused_only {
            let portable = measure(portable, 16, channels, side)?;
            print!("   portable");
            portable.iter().for_each(|ms| print!("  {ms:8.1} ms {:4.0}", work / ms));
            print!("   ratio");
            portable.iter().zip(fused).for_each(|(p, f)| print!(" {:5.1}", p / f));
        }
        println!();
    }
    Ok(())
}
