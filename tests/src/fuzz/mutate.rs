//! Mutations of inputs.

use rand_core::Rng;
use t2f_ops::rng::below;

/// The longest mutated input.
const LONGEST: usize = 1 << 19;
/// Numbers at the limits of integer types.
const NUMBERS: [&str; 12] = [
    "0",
    "-1",
    "1e999",
    "NaN",
    "-0.0",
    "18446744073709551615",
    "9223372036854775808",
    "4294967296",
    "1e-400",
    "255",
    "null",
    "true",
];

/// One to four mutations of `parent`, some with pieces of `other` or of the format's words.
pub fn mutated(parent: &[u8], other: &[u8], words: &[&str], draw: &mut impl Rng) -> Vec<u8> {
    let mut bytes = parent.to_vec();
    for _ in 0..1 + below(draw, 4) {
        mutate(&mut bytes, other, words, draw);
    }
    bytes.truncate(LONGEST);
    bytes
}

fn mutate(bytes: &mut Vec<u8>, other: &[u8], words: &[&str], draw: &mut impl Rng) {
    let at = below(draw, bytes.len() + 1);
    let (from, to) = (at, (at + 1 + below(draw, 32)).min(bytes.len()));
    match below(draw, 11) {
        0 => bytes.truncate(at),
        1 => flip(bytes, at, 1 << below(draw, 8)),
        2 => flip(bytes, at, draw.next_u64() as u8),
        3 => drop(bytes.drain(from..to)),
        4 => {
            let piece = bytes[from..to].to_vec();
            splice(bytes, at, &piece.repeat(1 + below(draw, 8)));
        }
        5 if !other.is_empty() => {
            let start = below(draw, other.len());
            let end = (start + 1 + below(draw, 64)).min(other.len());
            splice(bytes, at, &other[start..end]);
        }
        6 if !words.is_empty() => splice(bytes, at, words[below(draw, words.len())].as_bytes()),
        7 => splice(bytes, at, NUMBERS[below(draw, NUMBERS.len())].as_bytes()),
        8 => replace_number(bytes, at, draw),
        9 => {
            // A little-endian or big-endian number of eight bytes: lengths and offsets.
            let number =
                [0, 1, u64::MAX, 1 << 31, 1 << 63, 100_000_001, draw.next_u64() % 4096][below(draw, 7)];
            let number = if below(draw, 2) == 0 { number.to_le_bytes() } else { number.to_be_bytes() };
            for (place, byte) in bytes[at..].iter_mut().zip(number) {
                *place = byte;
            }
        }
        _ => splice(bytes, at, &[0xef, 0xbb, 0xbf, 0, 0xff, 0xc3, 0x28][..1 + below(draw, 7)]),
    }
}

fn flip(bytes: &mut [u8], at: usize, mask: u8) {
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= mask.max(1);
    }
}

fn splice(bytes: &mut Vec<u8>, at: usize, piece: &[u8]) {
    bytes.splice(at..at, piece.iter().copied());
}

/// Replaces the first number at or after a place.
fn replace_number(bytes: &mut Vec<u8>, at: usize, draw: &mut impl Rng) {
    let Some(start) = bytes[at..].iter().position(u8::is_ascii_digit).map(|found| at + found) else { return };
    let length = bytes[start..].iter().take_while(|byte| byte.is_ascii_digit() || **byte == b'.').count();
    bytes.splice(start..start + length, NUMBERS[below(draw, NUMBERS.len())].bytes());
}
