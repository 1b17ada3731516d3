//! The promises of this crate, a module each.

mod shapes; // names, shapes and counts
mod tiny; // the networks under test
