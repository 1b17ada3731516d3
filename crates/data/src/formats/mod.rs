//! The formats of data sets of files, and the readers that they share.
//!
//! A format is a configuration with a function `list`: it reads names, captions and labels and
//! returns a [`Listing`](crate::listing::Listing). No format reads pixels.

pub(crate) mod celeba;
pub(crate) mod celeba_dialog;
mod cells;
mod class_folders;
pub(crate) mod coco;
mod collection;
mod columns;
mod containers;
mod face2text;
pub(crate) mod face2text_v2;
pub(crate) mod ffhq;
pub(crate) mod file_index;
pub(crate) mod flickr8k;
pub(crate) mod folder;
mod grid;
mod labels;
mod layout;
pub(crate) mod lfw;
mod lfw_attributes;
mod metadata;
pub(crate) mod parquet;
mod parts;
mod python;
mod rows;
mod samples;
pub(crate) mod sources;
mod split_names;
mod table;
mod text_files;
pub(crate) mod text_folder;
pub(crate) mod webdataset;
