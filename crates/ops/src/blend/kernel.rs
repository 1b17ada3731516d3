//! The product of a tensor and a number. The linear combination itself is
//! [`crate::cpu::elementwise::linear_combination`], which the graph needs, too.

#![allow(unsafe_code)]

use rayon::prelude::*;

use crate::cpu::elementwise::ELEMENTS;
use crate::cpu::filled;

/// `factor·x`, element by element.
pub(crate) fn scale(x: &[f32], factor: f32) -> Vec<f32> {
    // SAFETY: the chunks cover the output, and each has operands of its own length.
    unsafe {
        filled(x.len(), |out| {
            out.par_chunks_mut(ELEMENTS).zip(x.par_chunks(ELEMENTS)).for_each(|(out, x)| {
                for (out, x) in out.iter_mut().zip(x) {
                    out.write(factor * x);
                }
            });
        })
    }
}
