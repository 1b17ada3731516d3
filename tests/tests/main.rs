//! One binary, a module a promise.

mod bad_data;
mod bench;
mod cli;
mod commit;
mod configuration;
mod corrupt;
mod diverge;
mod drawn_again;
mod fuzz;
mod globals;
mod kills;
mod measure;
mod mismatches;
mod overfit;
mod program;
mod resume;
mod room;
mod run;
mod sampling;
mod shipped;
mod signals;
mod swap;
mod tiny;
