//! One binary, a module a promise.

mod cli;
mod diverge;
mod overfit;
mod program;
mod resume;
mod run;
mod swap;
mod tiny;
