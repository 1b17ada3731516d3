//! `t2f walk`: an animation that walks over captions or seeds.

use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::Args;
use t2f_data::Image;
use t2f_pictures::animation::{there_and_back, to_apng};
use t2f_pictures::provenance::Provenance;
use t2f_pictures::sheet::{self, Layout, Tile};
use t2f_pictures::timelapse::Timelapse;
use t2f_pictures::{enlarged, picture};
use t2f_train::model::Model;

use crate::cli::failure::{because, failure, usage};
use crate::cli::generate::{
    BATCH, check_of_empty, create_folder_of, warn_of_cut_words, warn_of_unknown_words,
};
use crate::cli::progress::Bar;
use crate::cli::sampling::SamplingOptions;
use crate::cli::seeds::Seeds;
use crate::cli::{shipped, terminal};

/// The maximum number of frames: a minute and more, within the memory of a small machine.
const MOST_FRAMES: usize = 2000;

/// The options of `t2f walk`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  t2f walk \"a young woman with red hair\" \"an old man with a beard\"
  t2f walk \"a bald man\" --seeds 0-4 --out seeds.gif             one caption, five faces
  t2f walk \"a boy\" \"a man\" \"an old man\" --frames 36 --out ages.mp4
  t2f walk \"a man\" \"a man with a hat\" --frames 8 --strip --out hat.png

The stops are the captions with one seed, one caption with each seed, or as many captions as seeds,
in pairs. Between two stops embeddings and attributes are interpolated linearly, noise spherically;
the picture at a stop is that of `t2f generate`. An animation goes there and back. The name of the
file gives the form: .png or .apng (without loss), .gif (256 colours a frame), .mp4 (needs ffmpeg);
any other name is a folder of one PNG a frame.")]
pub struct Options {
    /// Captions
    #[arg(required = true, value_name = "CAPTION")]
    captions: Vec<String>,
    /// The model: a run folder, a checkpoint folder, a model.safetensors, or the name of an embedded model,
    /// faces-64 or faces-128 [default: faces-128]
    #[arg(short, long, value_name = "PATH")]
    model: Option<PathBuf>,
    /// Seeds: numbers and ranges
    #[arg(long, default_value = "0", value_name = "LIST")]
    seeds: Seeds,
    /// Frames from one stop to the next
    #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u16).range(1..=1000), value_name = "N")]
    frames: u16,
    /// Frames a second
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u8).range(1..=50), value_name = "N")]
    fps: u8,
    /// Write the frames side by side as one picture, with the captions below the stops
    #[arg(long)]
    strip: bool,
    #[command(flatten)]
    sampling: SamplingOptions,
    /// The file or folder to write
    #[arg(short, long, default_value = "walk.gif", value_name = "PATH")]
    out: PathBuf,
    /// Enlarge every pixel to a square of N by N
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=16), value_name = "N")]
    enlarge: u8,
    /// The device: auto, cpu, cuda, cuda:N or metal
    #[arg(long, default_value = "auto")]
    device: String,
}

/// The form of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Strip,
    Apng,
    Gif,
    Mp4,
    Folder,
}

/// Runs `t2f walk`.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let form = form(options)?;
    let stops = stops(&options.captions, &options.seeds.0)?;
    let per_part = usize::from(options.frames);
    let count = (stops.len() - 1) * per_part + 1;
    if count > MOST_FRAMES {
        return Err(usage(
            format!("the walk has {count} frames, expected at most {MOST_FRAMES}"),
            "lower `--frames`, or give fewer captions or seeds",
        ));
    }
    let model = shipped::load(options.model.as_deref(), &options.device)?;
    check_of_empty(&model, &options.captions)?;
    warn_of_unknown_words(&model, &options.captions);
    warn_of_cut_words(&model, &options.captions);
    let positions: Vec<f64> = (0..count).map(|frame| frame as f64 / per_part as f64).collect();
    let bar = Bar::new(count, BATCH);
    let mut frames = Vec::with_capacity(count);
    for positions in positions.chunks(BATCH) {
        for frame in model.walk(&stops, positions, options.sampling.sampling())? {
            frames.push(frame);
            bar.advance();
        }
    }
    drop(bar);
    let walked = Walked { options, model: &model, stops: &stops, frames };
    walked.write(form)?;
    terminal::result(&options.out.display().to_string());
    Ok(())
}

/// The form that `--out` and `--strip` ask for.
fn form(options: &Options) -> anyhow::Result<Form> {
    let extension = options.out.extension().and_then(|it| it.to_str()).unwrap_or_default().to_lowercase();
    let form = match extension.as_str() {
        "png" | "apng" => Form::Apng,
        "gif" => Form::Gif,
        "mp4" => Form::Mp4,
        "" => Form::Folder,
        _ => {
            let message = format!("`--out {}` is of no known form", options.out.display());
            return Err(usage(message, "name a .png, .apng, .gif, .mp4, or a folder without an extension"));
        }
    };
    match options.strip {
        true if picture::is_png(&options.out) => Ok(Form::Strip),
        true => Err(usage("`--strip` writes one picture", "give a .png as `--out`")),
        false => Ok(form),
    }
}

/// The captions with their seeds.
fn stops(captions: &[String], seeds: &[u64]) -> anyhow::Result<Vec<(String, u64)>> {
    let pairs: Vec<(String, u64)> = match (captions, seeds) {
        ([caption], [_, _, ..]) => seeds.iter().map(|seed| (caption.clone(), *seed)).collect(),
        ([_, _, ..], [seed]) => captions.iter().map(|caption| (caption.clone(), *seed)).collect(),
        _ if captions.len() == seeds.len() => captions.iter().cloned().zip(seeds.iter().copied()).collect(),
        _ => {
            let (captions, seeds) = (captions.len(), seeds.len());
            return Err(usage(
                format!("there are {captions} captions and {seeds} seeds"),
                "give one seed, one caption, or as many captions as seeds",
            ));
        }
    };
    if pairs.len() < 2 {
        let example = "two captions, or one caption with `--seeds 0,1`";
        return Err(usage("a walk needs two stops", format!("give {example}")));
    }
    Ok(pairs)
}

/// The frames of a walk and what they show.
struct Walked<'a> {
    options: &'a Options,
    model: &'a Model,
    stops: &'a [(String, u64)],
    frames: Vec<Image>,
}

impl Walked<'_> {
    fn write(&self, form: Form) -> anyhow::Result<()> {
        let out = &self.options.out;
        create_folder_of(out)?;
        let captions: Vec<&str> = self.stops.iter().map(|(caption, _)| caption.as_str()).collect();
        let seeds: Vec<String> = self.stops.iter().map(|(_, seed)| seed.to_string()).collect();
        let origin =
            self.options.sampling.provenance(self.model.hash(), &captions.join(" → "), &seeds.join(","));
        let frames: Vec<Image> = self.frames.iter().map(|frame| self.large(frame)).collect();
        let fps = u16::from(self.options.fps);
        let bytes = match form {
            Form::Strip => picture::to_png(&self.strip(frames)?, Some(&origin))?,
            Form::Apng => to_apng(&there_and_back(&frames), 1000 / fps, Some(&origin))?,
            Form::Gif => {
                let frames: Vec<Image> = there_and_back(&frames).into_iter().cloned().collect();
                let timelapse = Timelapse { delay: 100 / fps, hold: 100 / fps, max_frames: frames.len() };
                timelapse.to_gif(&frames, Some(&origin))?
            }
            Form::Mp4 => return self.mp4(&there_and_back(&frames), &origin, out),
            Form::Folder => {
                for (at, frame) in frames.iter().enumerate() {
                    let file = out.join(format!("{at:04}.png"));
                    create_folder_of(&file)?;
                    picture::write(&file, frame, Some(&origin))?;
                }
                return Ok(());
            }
        };
        Ok(picture::write_whole(out, &bytes)?)
    }

    fn large(&self, frame: &Image) -> Image {
        enlarged(frame, usize::from(self.options.enlarge))
    }

    /// The frames side by side, a part of the walk in a row; the first frame of a row is a stop, and so is the
    /// last one of the last row.
    fn strip(&self, frames: Vec<Image>) -> anyhow::Result<Image> {
        let per_part = usize::from(self.options.frames);
        let tile = |(at, image): (usize, Image)| Tile {
            image,
            caption: match at % per_part {
                0 => self.stops[at / per_part].0.clone(),
                _ => String::new(),
            },
        };
        let tiles: Vec<Tile> = frames.into_iter().enumerate().map(tile).collect();
        let columns = if self.stops.len() == 2 { tiles.len() } else { per_part };
        let layout = Layout { columns: Some(columns), tile: 1, ..Layout::default() };
        Ok(sheet::contact_sheet(&tiles, &layout)?)
    }

    /// H.264 by ffmpeg, which reads the frames as raw pixels.
    fn mp4(&self, frames: &[&Image], origin: &Provenance, out: &Path) -> anyhow::Result<()> {
        let size = format!("{}x{}", frames[0].width, frames[0].height);
        let rate = self.options.fps.to_string();
        let mut command = Command::new("ffmpeg");
        command.args(["-loglevel", "error", "-y", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", &size]);
        command.args(["-r", &rate, "-i", "-", "-c:v", "libx264", "-crf", "16", "-pix_fmt", "yuv420p"]);
        command.args(["-metadata", &format!("comment={}", origin.comment())]);
        command.args(["-movflags", "+faststart"]).arg(out).stdin(Stdio::piped()).stderr(Stdio::piped());
        let other = "give a .gif or a .png as `--out`, which need no other program";
        let mut child = command.spawn().map_err(|error| match error.kind() {
            ErrorKind::NotFound => failure("an .mp4 needs the program ffmpeg, which is not there", other),
            _ => because(error, "cannot start ffmpeg", other),
        })?;
        if let Some(mut input) = child.stdin.take() {
            // A failure of ffmpeg closes the pipe; its own message says why.
            let _ = frames.iter().try_for_each(|frame| input.write_all(&frame.pixels));
        }
        let ended = child.wait_with_output()?;
        if !ended.status.success() {
            let message = String::from_utf8_lossy(&ended.stderr);
            return Err(failure(format!("ffmpeg: {}", message.trim()), other));
        }
        Ok(())
    }
}
