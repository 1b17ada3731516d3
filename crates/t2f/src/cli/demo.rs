//! `t2f demo`: a local page that turns descriptions into faces.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use clap::Args;
use t2f_demo::{Demo, Error, Limits};

use crate::cli::failure::{because, failure};
use crate::cli::signals::Signals;
use crate::cli::{shipped, terminal};

/// The port that is tried without `--port`.
const PORT: u16 = 7860;

/// The options of `t2f demo`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  t2f demo                                   the shipped model
  t2f demo runs/00000-procedural-quick       the model of a run
  t2f demo model.safetensors --port 8000
  t2f demo --open                            also open the page in the browser

The command prints the address of the page and runs until Ctrl-C. The page and its JSON API are on
this machine alone (127.0.0.1); docs/demo.md describes both.")]
pub struct Options {
    /// The model: a run folder, a checkpoint folder, a model.safetensors, or the name of an embedded model,
    /// faces-64 or faces-128 [default: faces-128]
    #[arg(value_name = "MODEL")]
    model: Option<PathBuf>,
    /// The port; 0 is any free port [default: 7860, or any free port if it is taken]
    #[arg(long, value_name = "N")]
    port: Option<u16>,
    /// Open the page in the default browser
    #[arg(long)]
    open: bool,
    /// The device: auto, cpu, cuda, cuda:N or metal
    #[arg(long, default_value = "auto")]
    device: String,
}

/// Runs `t2f demo`.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let demo = bind(options.port)?;
    let model = shipped::load(options.model.as_deref(), &options.device)?;
    let name = options.model.as_ref().map_or("shipped model".into(), |path| path.display().to_string());
    let signals = Signals::listen()?;
    terminal::result(&demo.url());
    terminal::note("press Ctrl-C to stop");
    if options.open {
        open(&demo.url());
    }
    Ok(demo.run(&model, &name, || signals.stop())?)
}

/// Listens on the port of the options, or on [`PORT`], or on a free port if that is taken.
fn bind(port: Option<u16>) -> anyhow::Result<Demo> {
    let taken =
        |error: &Error| matches!(error, Error::Bind { cause, .. } if cause.kind() == ErrorKind::AddrInUse);
    match Demo::bind(port.unwrap_or(PORT), Limits::default()) {
        Ok(demo) => Ok(demo),
        Err(error) if taken(&error) && port.is_none() => {
            let demo = Demo::bind(0, Limits::default())?;
            let free = demo.address().port();
            terminal::note(&format!("note: port {PORT} is taken by another program; this is port {free}"));
            Ok(demo)
        }
        Err(error) if taken(&error) => {
            let port = port.unwrap_or(PORT);
            let free = Demo::bind(0, Limits::default())?.address().port();
            Err(failure(
                format!("port {port} is taken by another program"),
                format!("give a free port, such as `--port {free}`, or leave out `--port`"),
            ))
        }
        Err(error) => {
            Err(because(error, "cannot start the demo", "give another port, such as `--port 8000`"))
        }
    }
}

/// Opens an address in the default browser.
fn open(url: &str) {
    let program = match std::env::consts::OS {
        "macos" => "open",
        "windows" => "explorer",
        _ => "xdg-open",
    };
    let mut command = Command::new(program);
    command.arg(url).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    if let Err(error) = command.spawn() {
        terminal::warn(&format!("cannot open a browser with `{program}`: {error}; open {url} yourself"));
    }
}
