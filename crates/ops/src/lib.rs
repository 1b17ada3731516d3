//! Operators for a text-to-face GAN on [candle](https://github.com/huggingface/candle): fast on the
//! CPU, differentiable twice, and deterministic.
//!
//! - [`conv2d`], [`pixel_norm`], [`modulated_pixel_norm`], [`minibatch_stddev`], [`upsample2`],
//!   [`avg_pool2`], [`fade`] and [`lstm`] have CPU kernels (AVX-512, AVX2, NEON or plain Rust, and AMX for
//!   `bf16`, chosen at run time). On other devices and types they are composed of candle's operators.
//! - Feature maps may be `bf16` between parameters of `f32`: half the memory, and on a processor with AMX
//!   many times the rate. Sums are of `f32`, see [`conv2d`]; [`has_fast_bf16`] tells where it pays.
//! - [`grad`] computes gradients of the first order, and input gradients that a penalty can
//!   differentiate again.
//! - [`check_gradients`] compares the gradients of a device with those of the CPU.
//! - On NVIDIA GPUs convolutions are cuDNN's (feature `cudnn`), and pixel norm, resampling, the blend and Adam have
//!   kernels (feature `cuda`).
//! - [`rng`] names each draw of random numbers with a key; nothing else is random.
//! - [`init`] keeps parameters in name order and draws their first values from keys.
//! - [`adam`] is the optimizer of those parameters, with a state that can be saved.
//! - [`scheduled`] has settings that change over a run.
//! - [`Runtime`] sets up the process for training on the CPU.
//!
//! Feature maps are **NHWC**, `(B, H, W, C)`, and convolution weights **HWIO**, `(K, K, I, O)`. The
//! channels of a pixel are contiguous, so a 1x1 convolution is a matrix product, a bias is a row,
//! and pixel norm reads memory once. Images in the other crates are `(B, 3, H, W)`; [`to_nhwc`] and
//! [`to_nchw`] convert.
//!
//! The crate contains no networks, text or data.
//!
//! ```
//! use t2f_ops::rng::{Key, normal};
//! use t2f_ops::{ConvOptions, DType, Device, Runtime, Var, conv2d, grad, pixel_norm};
//!
//! Runtime::install(); // threads and allocator, once in `main`
//!
//! // A 3x3 convolution with leaky rectifier, then pixel norm.
//! let key = Key::new(0);
//! let x = Var::from_tensor(&normal(key.child("x"), (2, 8, 8, 3), DType::F32, &Device::Cpu)?)?;
//! let w = Var::from_tensor(&normal(key.child("w"), (3, 3, 3, 16), DType::F32, &Device::Cpu)?)?;
//! let options = ConvOptions { padding: 1, slope: Some(0.2), ..ConvOptions::default() };
//! let y = pixel_norm(&conv2d(&x, &w, None, options)?)?;
//! assert_eq!(y.dims(), [2, 8, 8, 16]);
//!
//! // A gradient penalty ‖d sum(y²·y) / dx‖² and its gradient with respect to the weights.
//! let penalty = grad::input_gradient(&y.powf(3.0)?, &x)?.sqr()?.sum_all()?;
//! assert!(grad::gradients(&penalty)?.get(&w).is_some());
//! # Ok::<(), t2f_ops::Error>(())
//! ```

mod activation;
pub mod adam;
mod blend;
mod conv;
mod cpu;
mod cuda;
mod device_check;
pub mod grad;
mod graph;
pub mod init;
mod lstm;
mod minibatch_stddev;
mod pixel_norm;
mod reduce;
mod resample;
pub mod rng;

mod runtime;
pub mod scheduled;
pub mod setting;
mod tf32;

pub use activation::{leaky_relu, softplus};
pub use blend::fade;
pub use candle_core::{DType, Device, Error, Result, Shape, Tensor, Var};
pub use conv::{ConvOptions, conv2d, conv2d_portable};
pub use cpu::{has_fast_bf16, kernels};
pub use device_check::{Difference, check_gradients, gradient_differences};
pub use graph::widened;
pub use lstm::lstm;
pub use minibatch_stddev::minibatch_stddev;
pub use pixel_norm::{modulated_pixel_norm, pixel_norm};
pub use reduce::{scalars, sum_of_squares};
pub use resample::{avg_pool2, to_nchw, to_nhwc, upsample2, upsample2_smooth};
pub use runtime::{Runtime, device_memory, peak_memory};
pub use tf32::{allow_tf32, allows_tf32};
