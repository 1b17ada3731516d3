//! The demo over real sockets, with a model of a few steps.

mod answers;
mod client;
mod connections;
mod document;
mod page;
mod refusals;
mod running;
