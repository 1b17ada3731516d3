//! `metadata.jsonl` of a folder of generated pictures, so that the folder is an image folder.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use t2f_pictures::picture;

use crate::cli::failure::because;

const FILE: &str = "metadata.jsonl";

/// The rows of a folder's pictures.
#[derive(Debug)]
pub struct Manifest {
    file: PathBuf,
    /// The rows of earlier pictures: the name of the file, and the line.
    earlier: Vec<(String, String)>,
    rows: Vec<String>,
    names: HashSet<String>,
}

/// A row of this command.
#[derive(Serialize)]
struct Row<'a> {
    file_name: &'a str,
    caption: &'a str,
    seed: u64,
    /// The claims of each caption, in the form of image folders.
    #[serde(skip_serializing_if = "Option::is_none")]
    claims: Option<[Value; 1]>,
}

/// A row of any program.
#[derive(Deserialize)]
struct Named {
    file_name: String,
}

impl Manifest {
    /// The manifest of a folder, with the rows that it already has.
    ///
    /// # Errors
    /// If there is another file of that name, whose rows have no `file_name`.
    pub fn open(folder: &Path) -> anyhow::Result<Self> {
        let file = folder.join(FILE);
        let text = match std::fs::read_to_string(&file) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            text => text.map_err(|error| refused(error.into(), &file))?,
        };
        let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        let earlier = lines.map(|(at, line)| {
            let row: Named = serde_json::from_str(line)
                .map_err(|error| refused(anyhow!("line {}: {error}", at + 1), &file))?;
            Ok((row.file_name, line.to_owned()))
        });
        let earlier = earlier.collect::<anyhow::Result<Vec<_>>>()?;
        Ok(Self { file, earlier, rows: Vec::new(), names: HashSet::new() })
    }

    /// Adds the row of a picture, with the claims of its caption where they are known.
    pub fn add(
        &mut self,
        file_name: &str,
        caption: &str,
        seed: u64,
        claims: Option<Value>,
    ) -> anyhow::Result<()> {
        let claims = claims.map(|claims| [claims]);
        self.rows.push(serde_json::to_string(&Row { file_name, caption, seed, claims })?);
        self.names.insert(file_name.to_owned());
        Ok(())
    }

    /// Writes the file: earlier rows of pictures that exist and are not replaced, then those of this command.
    pub fn save(self) -> anyhow::Result<()> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let folder = self.file.parent().unwrap_or(Path::new("."));
        let kept = |name: &String| !self.names.contains(name) && folder.join(name).exists();
        let earlier = self.earlier.iter().filter(|(name, _)| kept(name)).map(|(_, line)| line);
        let text: String = earlier.chain(&self.rows).map(|line| format!("{line}\n")).collect();
        Ok(picture::write_whole(&self.file, text.as_bytes())?)
    }
}

fn refused(error: anyhow::Error, file: &Path) -> anyhow::Error {
    let message = format!("cannot add rows to `{}`", file.display());
    because(error, message, "give another folder as `--out`")
}
