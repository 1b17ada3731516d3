//! CelebA: 202,599 aligned photographs of celebrities with forty attributes.

mod captions;
mod facts;
mod hair;
mod person;
mod words;
