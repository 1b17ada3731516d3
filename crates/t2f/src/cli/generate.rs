//! `t2f generate`: faces from captions.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use clap::Args;
use t2f_data::{Image, text_file};
use t2f_pictures::picture;
use t2f_pictures::sheet::{self, Layout, Row};
use t2f_train::disk;
use t2f_train::model::Model;
use t2f_train::understanding::Generated;

use crate::cli::explain::Explanation;
use crate::cli::failure::{because, failure, usage};
use crate::cli::manifest::Manifest;
use crate::cli::names::names;
use crate::cli::progress::Bar;
use crate::cli::sampling::SamplingOptions;
use crate::cli::seeds::{SeedPlan, Seeds};
use crate::cli::signals::Signals;
use crate::cli::{json_file, shipped, terminal};

/// Images in a batch.
pub(super) const BATCH: usize = 16;
/// The maximum number of pixels of a picture: 0.8 GB, and as much again while it is written.
const MOST_PIXELS: u128 = 1 << 28;
/// The maximum number of words in a warning.
const MOST_WORDS: usize = 10;
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
  t2f generate --model runs/00000-procedural-quick/checkpoints/step-00001200 \"a bald man\"
  t2f generate --explain --json why.json \"a man with dark hair and no beard\"

Every picture of a caption has a seed of its own: where a caption or a seed is repeated, the
picture has the next free seed. With --captions the folder also gets a metadata.jsonl, so that
`--data folder:` reads it. Ctrl-C stops after the present batch; every picture that is written is
whole.

--explain prints, for each caption, the probability that it mentions an attribute and that of each
value, the words that the model does not read, and for each picture the attributes that were
sampled. Warnings name denials (no, without, -less, …) that the model does not read, and pictures
whose attributes contradict their caption: what a caption denies may then be drawn.

The same model, caption, seed, truncation and guidance scale give the same bytes. Each PNG has its
provenance: the model, the caption, the seed and IPTC's mark of generated media (iTXt and XMP).")]
pub struct Options {
    /// Captions; each is generated with every seed
    #[arg(value_name = "CAPTION")]
    prompts: Vec<String>,
    /// The model: a run folder, a checkpoint folder, a model.safetensors, or the name of an embedded model,
    /// faces-64 or faces-128 [default: faces-128]
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
    /// Print what the model understands of each caption, and the attributes of each picture
    #[arg(long)]
    explain: bool,
    /// Also write what `--explain` prints as JSON
    #[arg(long, value_name = "FILE", requires = "explain")]
    json: Option<PathBuf>,
    /// Write no provenance into the PNG
    #[arg(long)]
    no_provenance: bool,
}

/// Runs `t2f generate`.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let captions = captions(options)?;
    let count = captions.len() * options.seeds.0.len();
    check_out(options, count)?;
    json_file::check(options.json.as_deref())?;
    let model = shipped::load(options.model.as_deref(), &options.device)?;
    check_of_empty(&model, &captions)?;
    check_size(options, &model, &captions)?;
    warn_of_unknown_words(&model, &captions);
    warn_of_cut_words(&model, &captions);
    let mut explanation =
        Explanation::start(&model, &captions, options.sampling.sampling(), options.explain)?;
    let plan = SeedPlan::new(&captions, &options.seeds.0);
    if plan.repeated() > 0 {
        let have = match plan.repeated() {
            1 => "1 picture has".to_owned(),
            repeated => format!("{repeated} pictures have"),
        };
        terminal::note(&format!("note: captions or seeds are repeated; {have} the next free seed instead"));
    }
    let studio = Studio { options, model: &model, count, signals: listen(count)? };
    let drawn = studio.pictures(&captions, plan, &mut explanation);
    explanation.warn();
    drawn?;
    explanation.write(options.json.as_deref())
}

/// Listens to Ctrl-C where there is more than a batch.
fn listen(count: usize) -> anyhow::Result<Option<Signals>> {
    Ok((count > BATCH).then(Signals::listen).transpose()?)
}

fn check_out(options: &Options, count: usize) -> anyhow::Result<()> {
    let other = |extension: &str| ["jpg", "jpeg", "gif", "webp", "bmp"].contains(&extension);
    if options.out.extension().and_then(|it| it.to_str()).is_some_and(|it| other(&it.to_lowercase())) {
        let message = format!("`--out {}` is not a .png, the only supported format", options.out.display());
        return Err(usage(message, "name a .png or a folder"));
    }
    if picture::is_png(&options.out) && !options.grid && count > 1 {
        let file = options.out.display();
        return Err(usage(
            format!("`--out {file}` is one file, but captions and `--seeds` give {count} pictures"),
            "add `--grid`, or give a folder as `--out`",
        ));
    }
    Ok(())
}

/// Refuses a picture or a grid that is too large for the memory.
fn check_size(options: &Options, model: &Model, captions: &[String]) -> anyhow::Result<()> {
    let side = model.resolution();
    let (what, (width, height), hint) = if options.grid {
        let size = sheet::caption_grid_size(captions, options.seeds.0.len(), side, &Layout::default());
        ("the grid", size, "lower `--enlarge`, give fewer captions or seeds, or leave out `--grid`")
    } else {
        ("a picture", (side, side), "lower `--enlarge`")
    };
    let [width, height] = [width, height].map(|side| side as u128 * u128::from(options.enlarge));
    let pixels = width.saturating_mul(height);
    if pixels <= MOST_PIXELS {
        return Ok(());
    }
    let memory = disk::bytes(u64::try_from(pixels.saturating_mul(3)).unwrap_or(u64::MAX));
    let (megapixels, most) = (pixels / 1_000_000, MOST_PIXELS / 1_000_000);
    let message = format!(
        "{what} has {width} x {height} pixels ({megapixels} megapixels, {memory} of memory), expected at most {most} \
         megapixels"
    );
    Err(usage(message, hint))
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
pub(super) fn check_of_empty(model: &Model, captions: &[String]) -> anyhow::Result<()> {
    let empty = captions.iter().any(|caption| caption.trim().is_empty());
    if empty && !model.has_empty_caption() {
        return Err(usage("a caption is empty, but the model was trained without caption dropout", GIVE_ONE));
    }
    Ok(())
}

/// Warns of the words that the model does not know: all of them if they are few, otherwise the most
/// frequent.
pub(super) fn warn_of_unknown_words(model: &Model, captions: &[String]) {
    let mut counts = BTreeMap::<String, usize>::new();
    for word in captions.iter().flat_map(|caption| model.unknown_words(caption)) {
        *counts.entry(word).or_default() += 1;
    }
    let mut words: Vec<(String, usize)> = counts.into_iter().collect();
    let all = words.len();
    if all > MOST_WORDS {
        words.sort_by_key(|(_, count)| Reverse(*count));
        words.truncate(MOST_WORDS);
    }
    let listed: Vec<String> = words.iter().map(|(word, _)| format!("\"{word}\"")).collect();
    let listed = listed.join(", ");
    let does = if model.reads_unknown_words() { "reads by their letters" } else { "ignores" };
    match all {
        0 => {}
        all if all > MOST_WORDS => {
            terminal::warn(&format!("the model {does} {all} unknown words, most frequently {listed}"));
        }
        _ => terminal::warn(&format!("the model {does} unknown words: {listed}")),
    }
}

/// Warns of the ends of captions that are longer than the model's maximum.
pub(super) fn warn_of_cut_words(model: &Model, captions: &[String]) {
    let cut: Vec<Vec<String>> = captions.iter().map(|caption| model.cut_words(caption)).collect();
    let mut cut = cut.iter().filter(|words| !words.is_empty());
    let Some(first) = cut.next() else { return };
    let (others, count, length) = (cut.count(), first.len(), model.config().text.max_length());
    let shown = first[..count.min(MOST_WORDS)].join(" ");
    let more = if count > MOST_WORDS { " …" } else { "" };
    let others = match others {
        0 => String::new(),
        1 => ", nor is the end of another caption".into(),
        others => format!(", nor are the ends of {others} other captions"),
    };
    terminal::warn(&format!(
        "the last {count} words of a caption are not read: \"{shown}{more}\"{others}; the model has \
         text.max_length = {length}"
    ));
}

/// Creates the folder of a file of `--out`.
pub(super) fn create_folder_of(file: &Path) -> anyhow::Result<()> {
    let Some(folder) = file.parent() else { return Ok(()) };
    std::fs::create_dir_all(folder)
        .map_err(|error| because(error, format!("cannot create `{}`", folder.display()), "check `--out`"))
}

/// The generation of one command.
struct Studio<'a> {
    options: &'a Options,
    model: &'a Model,
    count: usize,
    signals: Option<Signals>,
}

impl Studio<'_> {
    /// Generates all pictures into the files of the options.
    fn pictures(
        &self,
        captions: &[String],
        plan: SeedPlan,
        explanation: &mut Explanation,
    ) -> anyhow::Result<()> {
        let options = self.options;
        let one_file = picture::is_png(&options.out);
        if options.grid {
            let file = if one_file { options.out.clone() } else { options.out.join("grid.png") };
            return self.grid(captions, plan, &file, explanation);
        }
        if one_file {
            return self.each(captions, plan, explanation, |_, _| options.out.clone(), |_, _| Ok(()));
        }
        let names = names(captions);
        // `a-bald-man-with-a-beard-seed0007.png`
        let file_name = |at: usize, seed: u64| format!("{}-seed{seed:04}.png", names[at]);
        let file = |at: usize, seed: u64| options.out.join(file_name(at, seed));
        let with_manifest = options.captions.is_some() && self.count > 1;
        let mut manifest = with_manifest.then(|| Manifest::open(&options.out)).transpose()?;
        let drawn = self.each(captions, plan, explanation, file, |at, seed| {
            if let Some(manifest) = &mut manifest {
                manifest.add(&file_name(at, seed), &captions[at], seed, None)?;
            }
            Ok(())
        });
        // Also after a failure or a stop, for the pictures that are there.
        let saved = manifest.map_or(Ok(()), Manifest::save);
        drawn.and(saved)
    }

    /// Generates every picture in batches and gives each, with the index of its caption and its seed, to
    /// `take`. Stops after a batch if a signal asks for it.
    fn draw(
        &self,
        captions: &[String],
        mut plan: SeedPlan,
        mut take: impl FnMut(usize, u64, Generated, &Bar) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let bar = Bar::new(self.count, BATCH);
        let mut jobs = captions
            .iter()
            .enumerate()
            .flat_map(|(at, caption)| plan.seeds_of(caption).into_iter().map(move |seed| (at, seed)));
        let mut drawn = 0;
        loop {
            let batch: Vec<(usize, u64)> = jobs.by_ref().take(BATCH).collect();
            if batch.is_empty() {
                return Ok(());
            }
            if self.signals.as_ref().is_some_and(Signals::stop) {
                let all = self.count;
                return Err(failure(
                    format!("stopped after {drawn} of {all} pictures"),
                    "the same command starts from the beginning",
                ));
            }
            let texts: Vec<String> = batch.iter().map(|(at, _)| captions[*at].clone()).collect();
            let seeds: Vec<u64> = batch.iter().map(|(_, seed)| *seed).collect();
            let pictures = self.model.generate_explained(&texts, &seeds, self.options.sampling.sampling())?;
            for ((at, seed), picture) in batch.into_iter().zip(pictures) {
                take(at, seed, picture, &bar)?;
                drawn += 1;
                bar.advance();
            }
        }
    }

    /// Writes each picture to its file as soon as it is drawn; `written` is called after each.
    fn each(
        &self,
        captions: &[String],
        plan: SeedPlan,
        explanation: &mut Explanation,
        file: impl Fn(usize, u64) -> PathBuf,
        mut written: impl FnMut(usize, u64) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        self.draw(captions, plan, |at, seed, picture, bar| {
            let file = file(at, seed);
            self.write(&file, &picture.image, &captions[at], &seed.to_string())?;
            written(at, seed)?;
            let attributes = explanation.add(at, &captions[at], seed, &file, &picture);
            bar.beside(|| {
                terminal::result(&file.display().to_string());
                attributes.iter().for_each(|line| terminal::result(line));
            });
            Ok(())
        })
    }

    /// Writes one picture with a row for each caption and a column for each seed.
    fn grid(
        &self,
        captions: &[String],
        plan: SeedPlan,
        file: &Path,
        explanation: &mut Explanation,
    ) -> anyhow::Result<()> {
        let columns = plan.columns().to_vec();
        let mut rows: Vec<Row> =
            captions.iter().map(|caption| Row { caption: caption.clone(), images: Vec::new() }).collect();
        let mut seeds: Vec<Vec<u64>> = vec![Vec::new(); captions.len()];
        let mut attributes: Vec<(usize, String)> = Vec::new();
        self.draw(captions, plan, |at, seed, picture, _| {
            attributes
                .extend(explanation.add(at, &captions[at], seed, file, &picture).map(|line| (at, line)));
            rows[at].images.push(picture.image);
            seeds[at].push(seed);
            Ok(())
        })?;
        let listed = |seeds: &[u64]| seeds.iter().map(u64::to_string).collect::<Vec<_>>().join(",");
        // A row of a repeated caption has other seeds than the headings.
        for (row, seeds) in rows.iter_mut().zip(&seeds).filter(|(_, seeds)| **seeds != columns) {
            row.caption = format!("{} (seed {})", row.caption, listed(seeds)).trim_start().into();
        }
        let headings: Vec<String> = columns.iter().map(|seed| format!("seed {seed}")).collect();
        let grid = sheet::caption_grid(&rows, &headings, &Layout::default())?;
        let seeds: Vec<String> = match seeds.iter().all(|seeds| *seeds == columns) {
            true => vec![listed(&columns)],
            false => seeds.iter().map(|seeds| listed(seeds)).collect(),
        };
        self.write(file, &grid, &captions.join("\n"), &seeds.join("\n"))?;
        terminal::result(&file.display().to_string());
        for (at, line) in attributes {
            terminal::result(&format!("  row {}, {}", at + 1, line.trim_start()));
        }
        let scripts = sheet::undrawn(captions);
        if !scripts.is_empty() {
            let place = match self.options.no_provenance {
                true => "",
                false => "; the file's text `Prompt` has the captions",
            };
            let scripts = scripts.join(", ");
            terminal::note(&format!(
                "note: the grid has […] in place of text that is not drawn: {scripts}{place}"
            ));
        }
        Ok(())
    }

    fn write(&self, file: &Path, picture: &Image, prompt: &str, seeds: &str) -> anyhow::Result<()> {
        let options = self.options;
        create_folder_of(file)?;
        let origin =
            (!options.no_provenance).then(|| options.sampling.provenance(self.model.hash(), prompt, seeds));
        let picture = t2f_pictures::enlarged(picture, usize::from(options.enlarge));
        Ok(picture::write(file, &picture, origin.as_ref())?)
    }
}
