//! ProGAN's networks: the generator and the discriminator that grow level by level.

mod discriminator;
mod generator;
pub(crate) mod layers;

pub use discriminator::{DiscriminatorOptions, GrowingDiscriminator, Head};
pub use generator::{GeneratorOptions, GrowingGenerator};
pub use layers::Compat;
