//! `--json FILE`: asked for before anything is measured, written whole afterwards.

use std::path::Path;

use serde_json::Value;
use t2f_pictures::picture;

use crate::cli::failure::{because, usage};

/// Checks that the file can be put where it is to be, so that nothing is measured for nothing.
pub fn check(file: Option<&Path>) -> anyhow::Result<()> {
    let folder = file.and_then(Path::parent).filter(|folder| !folder.as_os_str().is_empty());
    match folder.filter(|folder| !folder.is_dir()) {
        Some(folder) => {
            let message = format!("`--json` names a file in `{}`, which is no folder", folder.display());
            Err(usage(message, "make it first, or name another"))
        }
        None => Ok(()),
    }
}

/// Writes the file, if one is asked for, in place of any of that name.
pub fn write(file: Option<&Path>, value: &Value) -> anyhow::Result<()> {
    let Some(file) = file else { return Ok(()) };
    picture::write_whole(file, &serde_json::to_vec_pretty(value)?)
        .map_err(|error| because(error, "cannot write the JSON", "check `--json`"))
}
