//! The properties of this crate, a module each.

mod attributes; // the attribute classifier: its parameters and its cap
mod behaviour; // fade-in, independence of the batch and of the order of construction
mod conditioning; // codes and divergences against values by hand
mod drifting; // the drift of features, its gradient and its configuration
mod gradients; // every parameter against finite differences, first and second order
mod half_precision; // feature maps of bf16 against double precision
mod losses; // every loss and penalty against values by hand
mod prior; // the content of attribute codes and the frequency of each
mod reconstruction; // inferred noise and the reconstruction loss
mod shapes; // names, shapes and counts
mod tiny; // the networks under test
