//! What candle lacks, is wrong about, or is slow at: convolution and its relatives closed under
//! differentiation, keyed randomness, seeded initialisation with named parameters, and gradients
//! whose order (first or second) is chosen by the call instead of by the environment.
//!
//! Feature maps are **NHWC**, `(B, H, W, C)`, and convolution weights **HWIO**, `(K, K, I, O)`:
//! a pixel's channels are contiguous, so that a 1x1 convolution is a matrix product, a bias is a
//! row, and pixel norm reads memory once. Images, at the seams of the other crates, stay
//! `(B, 3, H, W)`; [`resample::to_nhwc`] and [`resample::to_nchw`] cross over.
//!
//! This crate knows nothing of networks, text or data.

pub mod activation;
pub mod adam;
pub mod conv2d;
mod cpu;
mod fused;
pub mod grad;
mod graph;
pub mod init;
pub mod norm;
pub mod process;
pub mod recurrent;
pub mod resample;
pub mod rng;
pub mod setting;

pub use candle_core::{DType, Device, Result, Shape, Tensor, Var};
