//! One binary, one module for each guarantee.

mod bad_data;
mod bench;
mod cli;
mod commit;
mod compatibility;
mod configuration;
mod corrupt;
mod diverge;
mod documents;
mod fuzz;
mod kills;
mod licences;
mod measure;
mod mismatches;
mod overfit;
mod program;
mod reconstruction;
mod resume;
mod room;
mod run;
mod sampling;
mod shipped;
mod signals;
mod structure;
mod swap;
mod tiny;
