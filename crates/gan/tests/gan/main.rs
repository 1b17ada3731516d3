//! The promises of this crate, a module each.

mod behaviour; // fade-in, independence of the batch and of the order of construction
mod conditioning; // codes and divergences against values by hand
mod gradients; // every parameter against finite differences, first and second order
mod losses; // every loss and penalty against values by hand
mod prior; // what plans say and how often each is drawn
mod reconstruction; // noise read off images and the loss of drawing them again
mod shapes; // names, shapes and counts
mod tiny; // the networks under test
