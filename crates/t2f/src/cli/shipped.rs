//! The embedded model, and the model of a command.

use std::path::Path;

use t2f_train::components::Components;
use t2f_train::device;
use t2f_train::model::Model;

use crate::cli::failure::because;
use crate::cli::terminal;

/// The embedded model file; its description is docs/model-card.md.
const SHIPPED: &[u8] = include_bytes!("../../assets/faces.safetensors");

/// Loads the model of a path, or the embedded model for no path.
pub fn load(path: Option<&Path>, device_name: &str) -> anyhow::Result<Model> {
    let components = Components::new();
    let Some(path) = path else {
        return Ok(Model::from_bytes(SHIPPED, &device::open(device_name)?, &components)?);
    };
    Model::load(path, device_name, &components).map_err(|error| {
        because(
            error,
            format!("cannot load the model `{}`", path.display()),
            format!(
                "give a run folder, a checkpoint folder or a model.safetensors; `{} train` creates one",
                terminal::program()
            ),
        )
    })
}
