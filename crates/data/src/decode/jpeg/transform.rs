//! The inverse discrete cosine transform of libjpeg's accurate integer method.
//!
//! Loeffler, Ligtenberg and Moschytz (ICASSP 1989) in 13-bit fixed point, as in libjpeg's jidctint.c,
//! of which the results are those of this function bit for bit.

const BITS: u32 = 13;
const PASS: u32 = 2;

/// One dimension: eight values at `start`, `start + step`, ..., divided by `2^shift` and rounded.
fn pass(values: &mut [i32; 64], start: usize, step: usize, shift: u32) {
    let at = |i: usize| values[start + i * step];
    let z1 = (at(2) + at(6)) * 4433;
    let (even2, even3) = (z1 - at(6) * 15137, z1 + at(2) * 6270);
    let (even0, even1) = ((at(0) + at(4)) << BITS, (at(0) - at(4)) << BITS);
    let even = [even0 + even3, even1 + even2, even1 - even2, even0 - even3];

    let [o0, o1, o2, o3] = [at(7), at(5), at(3), at(1)];
    let z5 = (o0 + o2 + o1 + o3) * 9633;
    let (z1, z2) = ((o0 + o3) * -7373, (o1 + o2) * -20995);
    let (z3, z4) = ((o0 + o2) * -16069 + z5, (o1 + o3) * -3196 + z5);
    let odd = [o3 * 12299 + z1 + z4, o2 * 25172 + z2 + z3, o1 * 16819 + z2 + z4, o0 * 2446 + z1 + z3];

    let half = 1 << (shift - 1);
    for i in 0..4 {
        values[start + i * step] = (even[i] + odd[i] + half) >> shift;
        values[start + (7 - i) * step] = (even[i] - odd[i] + half) >> shift;
    }
}

/// The samples of a block of coefficients in natural order.
pub(super) fn inverse_dct(block: &[i16; 64], table: &[u16; 64]) -> [u8; 64] {
    // Beyond any value of an eight-bit picture, and small enough for 32 bits in both passes.
    const MOST: i32 = 1 << 14;
    let mut values = [0i32; 64];
    for ((value, &coefficient), &step) in values.iter_mut().zip(block).zip(table) {
        *value = (i32::from(coefficient) * i32::from(step)).clamp(-MOST, MOST);
    }
    for column in 0..8 {
        pass(&mut values, column, 8, BITS - PASS);
    }
    values.iter_mut().for_each(|value| *value = (*value).clamp(-MOST, MOST));
    for row in 0..8 {
        pass(&mut values, 8 * row, 1, BITS + PASS + 3);
    }
    values.map(|value| (value + 128).clamp(0, 255) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_transform_is_the_cosine_sum() {
        let mut block = [0i16; 64];
        for (place, value) in [(0, -31), (1, 55), (9, -20), (16, 14), (35, 9), (63, -7)] {
            block[place] = value;
        }
        let samples = inverse_dct(&block, &[3; 64]);
        for y in 0..8 {
            for x in 0..8 {
                let mut sum = 128.0;
                for (place, &value) in block.iter().enumerate() {
                    let (v, u) = (place / 8, place % 8);
                    let scale = |k: usize| if k == 0 { 0.125f64.sqrt() } else { 0.5 };
                    let wave = |k: usize, at: usize| {
                        ((2 * at + 1) as f64 * k as f64 * std::f64::consts::PI / 16.0).cos()
                    };
                    sum += scale(u) * scale(v) * f64::from(value) * 3.0 * wave(u, x) * wave(v, y);
                }
                let difference = f64::from(samples[8 * y + x]) - sum.clamp(0.0, 255.0);
                assert!(difference.abs() < 0.6, "{x} {y}: {difference}");
            }
        }
    }

    #[test]
    fn extreme_blocks_do_not_overflow() {
        for value in [i16::MIN, i16::MAX] {
            inverse_dct(&[value; 64], &[u16::MAX; 64]);
            let alternating: [i16; 64] = std::array::from_fn(|i| if i % 2 == 0 { value } else { !value });
            inverse_dct(&alternating, &[u16::MAX; 64]);
        }
    }
}
