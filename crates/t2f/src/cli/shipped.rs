//! The embedded models, and the model of a command.

use std::path::Path;

use t2f_train::components::Components;
use t2f_train::device;
use t2f_train::model::Model;

use crate::cli::failure::because;
use crate::cli::terminal;

/// The model of a command without `--model`.
const DEFAULT: &str = "faces-128";

/// The embedded model files by name; their description is docs/model-card.md.
const EMBEDDED: [(&str, &[u8]); 2] = [
    ("faces-64", include_bytes!("../../assets/faces-64.safetensors")),
    ("faces-128", include_bytes!("../../assets/faces-128.safetensors")),
];

/// Loads the model of a path, an embedded model by its name, or the default for neither. A file or folder goes
/// before an embedded model of the same name.
pub fn load(path: Option<&Path>, device_name: &str) -> anyhow::Result<Model> {
    let components = Components::new();
    let name = match path {
        None => Some(Path::new(DEFAULT)),
        Some(path) if path.exists() => None,
        path => path,
    };
    let embedded = EMBEDDED.iter().find(|(embedded, _)| name == Some(Path::new(embedded)));
    if let Some((_, bytes)) = embedded {
        return Ok(Model::from_bytes(bytes, &device::open(device_name)?, &components)?);
    }
    let path = path.unwrap_or(Path::new(""));
    Model::load(path, device_name, &components).map_err(|error| {
        let names = EMBEDDED.map(|(name, _)| name).join(" or ");
        because(
            error,
            format!("cannot load the model `{}`", path.display()),
            format!(
                "give a run folder, a checkpoint folder, a model.safetensors, or {names}; `{} train` creates a model",
                terminal::program()
            ),
        )
    })
}
