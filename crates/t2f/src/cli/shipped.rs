//! The model that this program brings along, and the model that a command means.

use std::path::Path;

use t2f_train::device;
use t2f_train::model::Model;

use crate::cli::failure::because;
use crate::cli::terminal;

/// The file of the model that comes with this build; docs/model-card.md tells about it.
const SHIPPED: &[u8] = include_bytes!("../../assets/faces.safetensors");

/// The model of a path, or the one that comes with this build where no path is named.
pub fn load(path: Option<&Path>, device_name: &str) -> anyhow::Result<Model> {
    let Some(path) = path else { return Ok(Model::from_bytes(SHIPPED, &device::open(device_name)?)?) };
    Model::load(path, device_name).map_err(|error| {
        because(
            error,
            format!("cannot load the model `{}`", path.display()),
            format!(
                "name a finished run or its model.safetensors; `{} train` makes one",
                terminal::program()
            ),
        )
    })
}
