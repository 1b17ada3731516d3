//! The formats of data sets of files, and the readers that they share.
//!
//! A format is a configuration with a function `list`: it reads names, captions and labels and
//! returns a [`Listing`](crate::listing::Listing). No format reads pixels.

mod cells;
mod class_folders;
mod collection;
mod columns;
mod face2text;
pub(crate) mod file_index;
pub(crate) mod folder;
mod labels;
pub(crate) mod lfw;
mod metadata;
mod python;
mod rows;
pub(crate) mod sources;
mod split_names;
mod table;
mod text_files;
pub(crate) mod text_folder;
