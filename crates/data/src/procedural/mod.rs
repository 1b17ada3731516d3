//! Procedural faces: images rendered from 22 factors, with captions whose claims are known.
//!
//! This is the default data set: no download, no real person, and each caption carries its
//! [`Claims`](crate::attributes::Claims), so that a generated face can be compared with its caption.
//! An image is a function of a [`Face`] and a [`Key`](t2f_ops::rng::Key); image and captions of a
//! data set are functions of seed, split and index. Factors are independent, except that women have
//! no beards. A factor that another one hides (eyes behind sunglasses, the hair of a bald head) is
//! hidden: no caption mentions it and no metric scores it.
//!
//! Some pairs of values ([`RESERVED`]) occur together in [`Split::TestComb`] alone, and some words in
//! the two test splits alone. The words are in `lexicon/`, text files of phrases and the values that
//! each phrase is true of; the grammar that makes captions of them is that of `crate::captions`.
//!
//! Inspired by CLEVR (arXiv:1612.06890), dSprites and Google's Cartoon Set (arXiv:1711.05139).
//!
//! ```
//! use t2f_data::procedural::{Factor, caption, render, sample, schema};
//! use t2f_ops::rng::Key;
//!
//! let face = sample(Key::new(1));
//! let caption = caption(&face, Key::new(2));
//! assert!(caption.claims.holds(&face.attributes()));
//! assert_eq!(render(&face, 64, Key::new(3)).width, 64);
//! assert_eq!(schema().name(Factor::HairColour as usize), "hair-colour");
//! ```

mod canvas;
mod captions;
mod edits;
mod faces;
mod factors;
mod plain;
mod render;
mod reserved;
mod sample;
mod words;

pub use crate::captions::Wording;
pub use captions::{CAPTIONS_PER_IMAGE, CaptionStyle, caption, caption_with};
pub use edits::{dependents, edit, held_out_pairs, paraphrase};
pub use faces::{IMAGES_VERSION, ProceduralFaces, Split};
pub use factors::{Face, Factor, schema};
pub use render::render;
pub use reserved::{RESERVED, has_reserved_pair};
pub use sample::sample;
