//! One binary, a module a promise.

mod bench;
mod cli;
mod diverge;
mod measure;
mod overfit;
mod program;
mod resume;
mod run;
mod swap;
mod tiny;
