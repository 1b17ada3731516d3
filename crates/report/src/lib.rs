//! Reports of runs: a page that needs no network, a notebook with stored outputs, and the statistics as CSV and
//! Parquet.
//!
//! A report is made from the files of run folders alone, which are neither locked nor changed: a run may go on. It
//! has no time of writing and no path of the machine, so that two reports of one state are equal.
//!
//! ```
//! use t2f_report::{Options, Run, write};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let run = folder.path().join("00000-procedural-quick");
//! # std::fs::create_dir(&run)?;
//! # std::fs::write(run.join("config.toml"), "name = \"quick\"\n")?;
//! # let out = folder.path().join("report");
//! let files = write(&[Run::open(&run)?], &out, &Options::default())?;
//! assert!(files.contains(&out.join("report.html")));
//! # Ok(())
//! # }
//! ```

mod comparison;
mod error;
mod files;
mod history;
mod long_form;
mod neighbours;
mod notebook;
mod number;
mod page;
mod portable;
mod reproduce;
mod run;
mod summary;
mod table;
mod upload;

pub use error::{Error, Result};
pub use files::{Options, name, write};
pub use number::significant;
pub use run::Run;
pub use upload::Tracker;
