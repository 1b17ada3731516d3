//! One binary, a module a promise.

mod cli;
mod program;
mod run;
