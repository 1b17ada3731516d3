//! The model that this program brings along, and the model that a command means.

use std::path::Path;

use t2f_train::device;
use t2f_train::model::Model;

use crate::failure::{because, usage};
use crate::terminal;

/// The file of the model that comes with this build; `None` where there is none.
const SHIPPED: Option<&[u8]> = None;

/// The model of a path, or the one that comes with this build where no path is named.
pub fn load(path: Option<&Path>, device_name: &str) -> anyhow::Result<Model> {
    match (path, SHIPPED) {
        (Some(path), _) => Model::load(path, device_name).map_err(|error| {
            because(
                error,
                format!("cannot load the model `{}`", path.display()),
                format!(
                    "name a finished run or its model.safetensors; `{} train` makes one",
                    terminal::program()
                ),
            )
        }),
        (None, Some(bytes)) => Ok(Model::from_bytes(bytes, &device::open(device_name)?)?),
        (None, None) => Err(usage(
            "no model is named, and none comes with this build",
            format!("name a run folder or a model.safetensors; `{} train` makes one", terminal::program()),
        )),
    }
}
