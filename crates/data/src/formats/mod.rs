//! The formats of data sets of files, and the readers that they share.
//!
//! A format is a configuration with a function `list`: it reads names, captions and labels and
//! returns a listing. No format reads pixels.

pub(crate) mod celeba;
