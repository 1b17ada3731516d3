//! The oracle: a small network that classifies the attributes of an image.
//!
//! It is trained ([`train`]) on images that the training of the generator does not see, and its
//! accuracy on held-out images stands in its file. Attributes below a gate are not scored.

mod examples;
mod file;
mod model;
mod network;
mod record;
mod training;

pub use model::Oracle;
pub use network::{OracleNetwork, classes};
pub use record::{AttributeQuality, GATE, Record, SKILL_GATE};
pub use training::{Epoch, FullDistributionFaces, OracleTraining, parts, train};
