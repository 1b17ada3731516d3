//! The product of a tensor and a number. The linear combination itself is
//! [`crate::cpu::elementwise::linear_combination`], which the graph needs, too.

#![allow(unsafe_code)]

use rayon::prelude::*;

use crate::cpu::elementwise::ELEMENTS;
use crate::cpu::{Element, filled};

/// `factor·x`, element by element.
pub(crate) fn scale<E: Element>(x: &[E], factor: f32) -> Vec<E> {
    // SAFETY: the chunks cover the output, and each has operands of its own length.
    unsafe {
        filled(x.len(), |out| {
            out.par_chunks_mut(ELEMENTS).zip(x.par_chunks(ELEMENTS)).for_each(|(out, x)| {
                for (out, x) in out.iter_mut().zip(x) {
                    out.write(E::of(factor * x.to_f32()));
                }
            });
        })
    }
}
