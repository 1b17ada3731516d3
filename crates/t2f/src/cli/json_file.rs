//! `--json FILE`: checked before the measurement, written atomically after it.

use std::path::Path;

use serde_json::Value;
use t2f_pictures::picture;

use crate::cli::failure::{because, usage};

/// Checks that the folder of the file exists, before a long measurement.
pub fn check(file: Option<&Path>) -> anyhow::Result<()> {
    let folder = file.and_then(Path::parent).filter(|folder| !folder.as_os_str().is_empty());
    match folder.filter(|folder| !folder.is_dir()) {
        Some(folder) => {
            let message = format!("`--json` is a file in `{}`, which is not a folder", folder.display());
            Err(usage(message, "create the folder, or choose another"))
        }
        None => Ok(()),
    }
}

/// Writes the file, if given, and replaces an existing one.
pub fn write(file: Option<&Path>, value: &Value) -> anyhow::Result<()> {
    let Some(file) = file else { return Ok(()) };
    picture::write_whole(file, &serde_json::to_vec_pretty(value)?)
        .map_err(|error| because(error, "cannot write the JSON", "check `--json`"))
}
