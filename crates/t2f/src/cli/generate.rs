//! `t2f generate`: faces from captions.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::{Path, PathBuf};

use clap::Args;
use t2f_data::{Image, text_file};
use t2f_pictures::picture;
use t2f_pictures::provenance::Provenance;
use t2f_pictures::sheet::{self, Layout, Row};
use t2f_train::model::Model;
use t2f_train::pipeline::Sampling;

use crate::cli::failure::{because, usage};
use crate::cli::sampling::SamplingOptions;
use crate::cli::seeds::Seeds;
use crate::cli::{shipped, terminal};

/// Pictures drawn at once.
const BATCH: usize = 16;
/// What to do about a caption that is missing.
const GIVE_ONE: &str = "give one, such as \"a smiling woman with long blond hair\"";

/// The options of `t2f generate`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  t2f generate \"a bald man with a beard and round glasses\"
  t2f generate --model runs/00000-procedural-quick \"a young woman with red hair\"
  t2f generate --model RUN --seeds 0-7 --grid \"a young woman\" \"an old woman\"
  t2f generate --model RUN --captions captions.txt --seeds 0,1,4-6 --out faces
  t2f generate --seeds 0-5 --grid \"\"                    any face at all
  t2f generate --model model.safetensors --truncation 0.7 --out face.png \"a smiling man\"

The same model, caption, seed, truncation and text scale give the same bytes. A PNG says which
model drew it, from what, and that a model drew it (iTXt and XMP); --no-provenance leaves that
out.")]
pub struct Options {
    /// What to draw; every caption is drawn with every seed
    #[arg(value_name = "CAPTION")]
    prompts: Vec<String>,
    /// The model: a run folder or a model.safetensors [default: the one that comes with the program]
    #[arg(short, long, value_name = "PATH")]
    model: Option<PathBuf>,
    /// A file of captions, one a line; empty lines and lines that start with # are skipped; - is
    /// standard input
    #[arg(long, value_name = "FILE")]
    captions: Option<PathBuf>,
    /// Seeds: numbers and ranges
    #[arg(long, default_value = "0", value_name = "LIST")]
    seeds: Seeds,
    /// One picture of all: a row for each caption, a column for each seed
    #[arg(long)]
    grid: bool,
    #[command(flatten)]
    sampling: SamplingOptions,
    /// A folder, or a .png for one picture or a grid [default: generated]
    #[arg(short, long, default_value = "generated", value_name = "PATH", hide_default_value = true)]
    out: PathBuf,
    /// Enlarge every pixel to a square of N by N
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64), value_name = "N")]
    enlarge: u16,
    /// Where to compute: auto, cpu, cuda, cuda:N or metal
    #[arg(long, default_value = "auto")]
    device: String,
    /// Leave out what the PNG says about its origin
    #[arg(long)]
    no_provenance: bool,
}

/// Runs `t2f generate`.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let captions = captions(options)?;
    let seeds = &options.seeds.0;
    let one_file = picture::is_png(&options.out);
    let other = |extension: &str| ["jpg", "jpeg", "gif", "webp", "bmp"].contains(&extension);
    if options.out.extension().and_then(|it| it.to_str()).is_some_and(|it| other(&it.to_lowercase())) {
        let message = format!("`--out {}` is no PNG, and pictures are written as PNG", options.out.display());
        return Err(usage(message, "name a .png or a folder"));
    }
    if one_file && !options.grid && captions.len() * seeds.len() > 1 {
        let (file, count) = (options.out.display(), captions.len() * seeds.len());
        return Err(usage(
            format!("`--out {file}` is one file, and the captions and `--seeds` make {count} pictures"),
            "add `--grid`, or let `--out` name a folder",
        ));
    }
    let model = shipped::load(options.model.as_deref(), &options.device)?;
    check_of_empty(&model, &captions)?;
    warn_of_unknown_words(&model, &captions);

    let names = names(&captions);
    let jobs: Vec<(&String, u64)> =
        captions.iter().flat_map(|caption| seeds.iter().map(move |&seed| (caption, seed))).collect();
    let mut pictures = Vec::with_capacity(jobs.len());
    for batch in jobs.chunks(BATCH) {
        let captions: Vec<String> = batch.iter().map(|(caption, _)| (*caption).clone()).collect();
        let seeds: Vec<u64> = batch.iter().map(|(_, seed)| *seed).collect();
        pictures.extend(model.generate(&captions, &seeds, options.sampling.sampling())?);
    }
    if options.grid {
        let file = if one_file { options.out.clone() } else { options.out.join("grid.png") };
        return write_grid(options, &model, &captions, pictures, &file);
    }
    for (at, ((caption, seed), picture)) in jobs.into_iter().zip(pictures).enumerate() {
        let file = match one_file {
            true => options.out.clone(),
            // `a-bald-man-with-a-beard-seed0007.png`
            false => options.out.join(format!("{}-seed{seed:04}.png", names[at / seeds.len()])),
        };
        write(options, &model, &file, &picture, caption, &seed.to_string())?;
    }
    Ok(())
}

/// The captions of the command line, then those of the file.
fn captions(options: &Options) -> anyhow::Result<Vec<String>> {
    let mut captions = options.prompts.clone();
    if let Some(file) = &options.captions {
        let text = if file == Path::new("-") {
            let mut bytes = Vec::new();
            std::io::stdin().read_to_end(&mut bytes).and_then(|_| text_file::decoded(bytes))
        } else {
            std::fs::read(file).and_then(text_file::decoded)
        };
        let text = text.map_err(|error| {
            because(
                error,
                format!("cannot read `--captions {}`", file.display()),
                "it is UTF-8, a caption a line",
            )
        })?;
        let lines = text.lines().map(str::trim);
        captions.extend(lines.filter(|line| !line.is_empty() && !line.starts_with('#')).map(String::from));
    }
    if captions.is_empty() {
        return Err(usage("there is no caption to draw", format!("{GIVE_ONE}, or a file with `--captions`")));
    }
    Ok(captions)
}

/// An empty caption is for models that were trained with some: to others it is nothing they know.
fn check_of_empty(model: &Model, captions: &[String]) -> anyhow::Result<()> {
    let empty = captions.iter().any(|caption| caption.trim().is_empty());
    if empty && !model.knows_empty_caption() {
        return Err(usage("a caption is empty, and the model was trained without such", GIVE_ONE));
    }
    Ok(())
}

fn warn_of_unknown_words(model: &Model, captions: &[String]) {
    let unknown: BTreeSet<String> =
        captions.iter().flat_map(|caption| model.unknown_words(caption)).collect();
    if !unknown.is_empty() {
        let words: Vec<String> = unknown.iter().map(|word| format!("\"{word}\"")).collect();
        terminal::warn(&format!(
            "the model has not learnt these words and reads over them: {}",
            words.join(", ")
        ));
    }
}

/// The name of each caption in file names: its words; captions that would share a name are numbered.
fn names(captions: &[String]) -> Vec<String> {
    let mut sharing = BTreeMap::<String, BTreeSet<&String>>::new();
    for caption in captions {
        sharing.entry(slug(caption)).or_default().insert(caption);
    }
    // A number may make the words of another caption.
    let mut taken: BTreeSet<String> = sharing.keys().cloned().collect();
    let mut names = BTreeMap::<&String, String>::new();
    for caption in captions {
        names.entry(caption).or_insert_with(|| {
            let slug = slug(caption);
            if sharing[&slug].len() == 1 {
                return slug;
            }
            let mut numbered = (1u64..).map(|number| format!("{slug}-{number}"));
            numbered.find(|name| taken.insert(name.clone())).unwrap_or_default()
        });
    }
    captions.iter().map(|caption| names[caption].clone()).collect()
}

/// The words of a caption as a file name: lower case ASCII letters and digits, at most 60.
fn slug(caption: &str) -> String {
    let mut slug = String::new();
    for c in caption.chars().map(|c| c.to_ascii_lowercase()) {
        if c.is_ascii_alphanumeric() {
            slug.push(c);
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
        if slug.len() >= 60 {
            break;
        }
    }
    let slug = slug.trim_end_matches('-');
    if slug.is_empty() { "face".into() } else { slug.into() }
}

fn write_grid(
    options: &Options,
    model: &Model,
    captions: &[String],
    pictures: Vec<Image>,
    file: &Path,
) -> anyhow::Result<()> {
    let seeds = &options.seeds.0;
    let mut pictures = pictures.into_iter();
    let rows: Vec<Row> = captions
        .iter()
        .map(|caption| Row {
            caption: caption.clone(),
            images: pictures.by_ref().take(seeds.len()).collect(),
        })
        .collect();
    let headings: Vec<String> = seeds.iter().map(|seed| format!("seed {seed}")).collect();
    let grid = sheet::caption_grid(&rows, &headings, &Layout::default())?;
    let seeds: Vec<String> = seeds.iter().map(u64::to_string).collect();
    write(options, model, file, &grid, &captions.join("\n"), &seeds.join(","))
}

fn write(
    options: &Options,
    model: &Model,
    file: &Path,
    picture: &Image,
    prompt: &str,
    seeds: &str,
) -> anyhow::Result<()> {
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder).map_err(|error| {
            because(error, format!("cannot make `{}`", folder.display()), "check `--out`")
        })?;
    }
    let origin = (!options.no_provenance).then(|| {
        let mut origin = Provenance::generated(model.hash(), prompt, seeds);
        let Sampling { truncation, guidance_scale } = options.sampling.sampling();
        if truncation < 1.0 {
            origin.fields.push(("Truncation", truncation.to_string()));
        }
        if guidance_scale != 1.0 {
            origin.fields.push(("Text scale", guidance_scale.to_string()));
        }
        origin
    });
    let picture = t2f_pictures::enlarged(picture, usize::from(options.enlarge));
    picture::write(file, &picture, origin.as_ref())?;
    terminal::result(&file.display().to_string());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_tell_the_caption_and_never_collide() {
        let of = |captions: &[&str]| names(&captions.iter().copied().map(String::from).collect::<Vec<_>>());
        assert_eq!(
            of(&["A bald man!", "a bald man", "ein Mann"]),
            ["a-bald-man-1", "a-bald-man-2", "ein-mann"]
        );
        assert_eq!(of(&["red hair", "Red hair", "red hair 1"]), ["red-hair-2", "red-hair-3", "red-hair-1"]);
        assert_eq!(of(&["red hair", "red hair"]), ["red-hair", "red-hair"]);
        assert_eq!(slug("../../etc/passwd"), "etc-passwd");
        assert_eq!(slug("女の人"), "face");
        assert!(slug(&"very ".repeat(50)).len() <= 60);
    }
}
