//! The operators through the public interface.

/// Convolution in single precision against its reference in double precision.
mod conv2d;
/// Finite differences of the first and second order, and tensors with several consumers.
mod gradients;
/// Operators of `bf16` against double precision.
mod half_precision;
/// Values that were computed by hand.
mod hand_computed;
/// The long short-term memory.
mod lstm;
/// The other operators in single precision against double precision.
mod precision;
