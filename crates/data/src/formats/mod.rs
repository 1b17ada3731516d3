//! The formats of data sets of files, and the readers that they share.
//!
//! A format is a configuration with a function `list`: it reads names, captions and labels and
//! returns a [`Listing`](crate::listing::Listing). No format reads pixels.

mod collection;
mod face2text;
pub(crate) mod file_index;
pub(crate) mod folder;
mod labels;
pub(crate) mod lfw;
mod table;
