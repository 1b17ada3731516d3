//! Objectives: the terms of both losses beside the adversarial one.
//!
//! One file an objective; each implements [`Objective`], owns its parameters and computes its terms
//! for both networks. The training step loops over them and knows none by name.

pub mod attribute_classifier;
pub mod attribute_prior;
pub mod conditioning;
pub mod contrastive;
pub mod drifting;
mod interface;
pub mod reconstruction;

pub use attribute_classifier::{AttributeClassifier, AttributesConfig};
pub use attribute_prior::PriorObjective;
pub use conditioning::{ConditioningConfig, ConditioningObjective};
pub use contrastive::{ContrastConfig, Contrastive};
pub use drifting::{Drifting, DriftingConfig};
pub use interface::{DiscriminatorInputs, GeneratorInputs, Objective, ObjectiveContext};
pub use reconstruction::{Reconstruction, ReconstructionConfig};
