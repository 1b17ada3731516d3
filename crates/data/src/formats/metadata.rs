//! The metadata files of an image folder: `metadata.jsonl`, `.csv`, `.json` or `.tsv` at the root, in its
//! parts or in other subfolders; otherwise the only table that names images.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::columns::{Columns, Named, Source};
use super::file_index::FileIndex;
use super::rows::{self, ENDINGS};
use super::split_names::{part_in_name, part_of_path};
use crate::error::{Error, Result};
use crate::listing::Part;
use crate::notes::Notes;

/// The name of a metadata file without its ending.
const METADATA: &str = "metadata";
/// Files that are about a data set as a whole.
const IGNORED: [&str; 7] = [
    "schema.json",
    "config.json",
    "dataset_info.json",
    "dataset_infos.json",
    "dataset_dict.json",
    "package.json",
    "bad_files.tsv",
];
/// The most tables of a folder that are tried: more are files of single images.
const MOST_TABLES: usize = 32;

/// A metadata file.
#[derive(Debug)]
pub(crate) struct Metadata {
    path: PathBuf,
    /// The part that its folder or its name names.
    part: Option<Part>,
}

/// The metadata files of a folder; none if it has none. `name` is the one that the configuration names: a
/// path from the root, or a name that files of several subfolders have.
///
/// # Errors
/// If the named file does not exist, or there are several tables of which none is `metadata`.
pub(crate) fn find(
    index: &FileIndex,
    name: Option<&str>,
    named: Named<'_>,
    notes: &mut Notes,
) -> Result<Vec<Metadata>> {
    if let Some(name) = name {
        return find_named(index, name);
    }
    let files: Vec<&Path> = index.others().into_iter().filter(|path| is_table(path)).collect();
    let called = |path: &&Path| stem(path).eq_ignore_ascii_case(METADATA);
    let metadata: Vec<&Path> = files.iter().copied().filter(called).collect();
    if !metadata.is_empty() {
        let chosen = nearest_to_root(index, metadata, notes);
        let mut files: Vec<Metadata> = chosen.into_iter().map(|path| Metadata::new(index, path)).collect();
        files.sort_by_key(|file| file.part);
        return Ok(files);
    }
    let depth = |path: &Path| index.relative(path).matches('/').count();
    for level in [0, 1] {
        let tables: Vec<&Path> = files.iter().copied().filter(|path| depth(path) == level).collect();
        let found = find_tables(index, &tables, named, notes)?;
        if !found.is_empty() {
            return Ok(found);
        }
    }
    Ok(Vec::new())
}

/// Reads all rows of metadata files.
///
/// # Errors
/// If a file cannot be read, or a row has another form; the error has file and line.
pub(crate) fn read(
    files: Vec<Metadata>,
    columns: &mut Columns<'_>,
    notes: &mut Notes,
) -> Result<Vec<Source>> {
    let mut sources = Vec::new();
    for Metadata { path, part } in files {
        let mut read = Vec::new();
        rows::read(&path, &mut |line, cells, table| {
            let row = columns.row(&path, line, &cells, table, notes);
            read.extend(row.map_err(|reason| Error::file(&path, format!("line {line}: {reason}")))?);
            Ok(())
        })?;
        let folder = path.parent().unwrap_or(Path::new("")).to_path_buf();
        sources.push(Source { folder, file: path, part, rows: read });
    }
    columns.check_group()?;
    // Where some rows name a part, rows of an unknown one must not be drawn into any.
    if columns.has_parts() {
        sources.iter_mut().for_each(|source| source.rows.retain(|row| !row.unknown_part));
    }
    Ok(sources)
}

impl Metadata {
    fn new(index: &FileIndex, path: &Path) -> Self {
        let relative = index.relative(path);
        let part = part_of_path(&relative).or_else(|| part_in_name(&stem(path)));
        Self { path: path.into(), part }
    }
}

fn find_named(index: &FileIndex, name: &str) -> Result<Vec<Metadata>> {
    let path = index.root().join(name);
    if path.exists() {
        return Ok(vec![Metadata::new(index, &path)]);
    }
    let called =
        |path: &&Path| path.file_name().is_some_and(|file| file.to_string_lossy().eq_ignore_ascii_case(name));
    let others = index.others();
    let found: Vec<Metadata> =
        others.iter().copied().filter(called).map(|path| Metadata::new(index, path)).collect();
    if found.is_empty() {
        let tables = others.iter().filter(|path| is_table(path)).take(8).map(|path| index.relative(path));
        let tables: Vec<String> = tables.collect();
        let reason = format!("no `{name}`, which `data.metadata` names; there are [{}]", tables.join(", "));
        return Err(Error::file(index.root(), reason));
    }
    Ok(found)
}

/// Of each folder the file with the preferred ending, without those below a folder that has one. The
/// folders of parts come before the root.
fn nearest_to_root<'p>(index: &FileIndex, files: Vec<&'p Path>, notes: &mut Notes) -> Vec<&'p Path> {
    let mut folders = BTreeMap::<&Path, Vec<&Path>>::new();
    for path in files {
        folders.entry(path.parent().unwrap_or(path)).or_default().push(path);
    }
    let part = |folder: &Path| part_of_path(&format!("{}/", index.relative(folder)));
    if folders.keys().any(|folder| part(folder) == Some(Part::Train))
        && folders.remove(index.root()).is_some()
    {
        notes.add("the metadata of the root is not used: its parts have their own".into(), String::new());
    }
    let all: BTreeSet<&Path> = folders.keys().copied().collect();
    let covered = |folder: &Path| folder.ancestors().skip(1).any(|above| all.contains(above));
    let mut chosen = Vec::new();
    for (folder, mut files) in folders {
        if covered(folder) {
            notes.add("metadata below a folder with metadata is not used".into(), index.relative(folder));
            continue;
        }
        files.sort_by_key(|path| preference(path));
        for other in &files[1..] {
            notes.add(format!("{} is used instead of others", name(files[0])), index.relative(other));
        }
        chosen.push(files[0]);
    }
    chosen
}

/// The tables of a folder that name images: the only one, or those of the parts.
fn find_tables(
    index: &FileIndex,
    tables: &[&Path],
    named: Named<'_>,
    notes: &mut Notes,
) -> Result<Vec<Metadata>> {
    let of_image = |path: &Path| index.image_beside(path).is_some();
    let tables: Vec<&Path> = tables
        .iter()
        .copied()
        .filter(|path| !IGNORED.contains(&name(path).as_str()) && !of_image(path))
        .take(MOST_TABLES)
        .collect();
    let mut found: Vec<&Path> = Vec::new();
    let mut refused = Vec::new();
    for path in tables {
        match first_row(path, index, named) {
            Ok(()) => found.push(path),
            Err(reason) => refused.push((path, reason)),
        }
    }
    let parts: Vec<&Path> =
        found.iter().copied().filter(|path| part_in_name(&stem(path)).is_some()).collect();
    let training = parts.iter().any(|path| part_in_name(&stem(path)) == Some(Part::Train));
    if training && parts.len() > 1 {
        found = parts;
    }
    let names: Vec<String> = found.iter().map(|path| index.relative(path)).collect();
    let places: BTreeSet<Option<Part>> = found.iter().map(|path| part_in_name(&stem(path))).collect();
    match found.len() {
        0 => {
            for (path, reason) in refused {
                notes.add(format!("{} is not read: {reason}", index.relative(path)), String::new());
            }
        }
        several if several > 1 && places.len() < several => {
            let reason = format!(
                "several tables name images: [{}], expected one; `data.metadata` names it",
                names.join(", ")
            );
            return Err(Error::file(index.root(), reason));
        }
        _ => notes.add(format!("metadata: {}", names.join(", ")), String::new()),
    }
    Ok(found.into_iter().map(|path| Metadata::new(index, path)).collect())
}

/// Checks that the first row of a table names an image. An object in JSON may be anything, and its name must
/// be that of an image of the folder.
///
/// On failure, the reason.
fn first_row(path: &Path, index: &FileIndex, named: Named<'_>) -> std::result::Result<(), String> {
    let columns = Columns::new(named);
    let mut outcome = None;
    let stop = || Error::file(path, "read");
    let read = rows::read(path, &mut |line, cells, table| {
        let images = columns.images(&cells, table).map_err(|reason| format!("line {line}: {reason}"));
        let known = |names: &Vec<String>| {
            let folder = path.parent().unwrap_or(index.root());
            ending(path) != "json" || names.iter().any(|name| index.find_from(folder, name).is_ok())
        };
        outcome = Some(match images {
            Ok(names) if known(&names) => Ok(()),
            Ok(names) => Err(format!("no image is called `{}`", names.join("`, `"))),
            Err(reason) => Err(reason),
        });
        Err(stop())
    });
    match (outcome, read) {
        (Some(outcome), _) => outcome,
        (None, Err(Error::File { source, .. })) => Err(source.to_string()),
        _ => Err("it has no rows".into()),
    }
}

fn is_table(path: &Path) -> bool {
    preference(path) < ENDINGS.len()
}

/// The place of its ending among those of tables.
fn preference(path: &Path) -> usize {
    let ending = ending(path);
    ENDINGS.iter().position(|known| *known == ending).unwrap_or(ENDINGS.len())
}

fn ending(path: &Path) -> String {
    path.extension().map(|ending| ending.to_string_lossy().to_lowercase()).unwrap_or_default()
}

fn stem(path: &Path) -> String {
    path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
}

fn name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
