//! ProGAN's networks: the generator and the discriminator that grow level by level.

mod discriminator;
mod generator;
pub(crate) mod layers;
mod noise;

pub use discriminator::{DiscriminatorOptions, GrowingDiscriminator, Head};
pub use generator::{GeneratorOptions, GrowingGenerator, Resample};
pub use layers::Compat;
pub(crate) use noise::noise_map_size;
