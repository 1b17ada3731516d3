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

/// Images in a batch.
const BATCH: usize = 16;
/// The hint for a missing caption.
const GIVE_ONE: &str = "give one, such as \"a smiling woman with long blond hair\"";

/// The options of `t2f generate`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  t2f generate \"a bald man with a beard and round glasses\"
  t2f generate --model runs/00000-procedural-quick \"a young woman with red hair\"
  t2f generate --model RUN --seeds 0-7 --grid \"a young woman\" \"an old woman\"
  t2f generate --model RUN --captions captions.txt --seeds 0,1,4-6 --out faces
  t2f generate --seeds 0-5 --grid \"\"                    the empty caption: any face
  t2f generate --model model.safetensors --truncation 0.7 --out face.png \"a smiling man\"

The same model, caption, seed, truncation and guidance scale give the same bytes. Each PNG has its
provenance: the model, the caption, the seed and IPTC's mark of generated media (iTXt and XMP).")]
pub struct Options {
    /// Captions; each is generated with every seed
    #[arg(value_name = "CAPTION")]
    prompts: Vec<String>,
    /// The model: a run folder or a model.safetensors [default: the embedded model]
    #[arg(short, long, value_name = "PATH")]
    model: Option<PathBuf>,
    /// A file of captions, one a line; empty lines and lines that start with # are skipped; - is
    /// standard input
    #[arg(long, value_name = "FILE")]
    captions: Option<PathBuf>,
    /// Seeds: numbers and ranges
    #[arg(long, default_value = "0", value_name = "LIST")]
    seeds: Seeds,
    /// Write one picture with a row for each caption and a column for each seed
    #[arg(long)]
    grid: bool,
    #[command(flatten)]
    sampling: SamplingOptions,
    /// Output folder, or a .png for one picture or a grid [default: generated]
    #[arg(short, long, default_value = "generated", value_name = "PATH", hide_default_value = true)]
    out: PathBuf,
    /// Enlarge every pixel to a square of N by N
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64), value_name = "N")]
    enlarge: u16,
    /// The device: auto, cpu, cuda, cuda:N or metal
    #[arg(long, default_value = "auto")]
    device: String,
    /// Write no provenance into the PNG
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
        let message = format!("`--out {}` is not a .png, the only supported format", options.out.display());
        return Err(usage(message, "name a .png or a folder"));
    }
    if one_file && !options.grid && captions.len() * seeds.len() > 1 {
        let (file, count) = (options.out.display(), captions.len() * seeds.len());
        return Err(usage(
            format!("`--out {file}` is one file, but captions and `--seeds` give {count} pictures"),
            "add `--grid`, or give a folder as `--out`",
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
                "the file must be UTF-8 text with one caption a line",
            )
        })?;
        let lines = text.lines().map(str::trim);
        captions.extend(lines.filter(|line| !line.is_empty() && !line.starts_with('#')).map(String::from));
    }
    if captions.is_empty() {
        return Err(usage("there is no caption", format!("{GIVE_ONE}, or a file with `--captions`")));
    }
    Ok(captions)
}

/// Refuses an empty caption for a model that was trained without caption dropout.
fn check_of_empty(model: &Model, captions: &[String]) -> anyhow::Result<()> {
    let empty = captions.iter().any(|caption| caption.trim().is_empty());
    if empty && !model.has_empty_caption() {
        return Err(usage("a caption is empty, but the model was trained without caption dropout", GIVE_ONE));
    }
    Ok(())
}

fn warn_of_unknown_words(model: &Model, captions: &[String]) {
    let unknown: BTreeSet<String> =
        captions.iter().flat_map(|caption| model.unknown_words(caption)).collect();
    if !unknown.is_empty() {
        let words: Vec<String> = unknown.iter().map(|word| format!("\"{word}\"")).collect();
        terminal::warn(&format!("the model ignores unknown words: {}", words.join(", ")));
    }
}

/// The name of each caption in file names: its words, with a number if captions share them.
fn names(captions: &[String]) -> Vec<String> {
    let mut sharing = BTreeMap::<String, BTreeSet<&String>>::new();
    for caption in captions {
        sharing.entry(slug(caption)).or_default().insert(caption);
    }
    // A numbered name may be the words of another caption.
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
            because(error, format!("cannot create `{}`", folder.display()), "check `--out`")
        })?;
    }
    let origin = (!options.no_provenance).then(|| {
        let mut origin = Provenance::generated(model.hash(), prompt, seeds);
        let Sampling { truncation, guidance_scale } = options.sampling.sampling();
        if truncation < 1.0 {
            origin.fields.push(("Truncation", truncation.to_string()));
        }
        if guidance_scale != 1.0 {
            origin.fields.push(("Guidance scale", guidance_scale.to_string()));
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
    fn file_names_have_the_words_of_the_caption_and_are_unique() {
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
