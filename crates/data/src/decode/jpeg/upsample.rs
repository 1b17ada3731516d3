//! Samples of each component at the size of the picture, as libjpeg interpolates them (jdsample.c).

use super::coefficients::Plane;
use super::headers::Frame;

/// How the samples of a component are interpolated.
#[derive(Clone, Copy, Debug)]
enum Method {
    /// Each sample is repeated.
    Repeat {
        h: usize,
        v: usize,
    },
    /// A triangle filter across, down, or both, for ratios of two.
    Across,
    Down,
    Both,
}

/// The components of a picture, interleaved.
pub(super) fn interleave(frame: &Frame, planes: &[Plane]) -> Vec<u8> {
    let (h, v) = frame.max();
    let method = |index: usize| {
        let component = frame.components[index];
        let wide = planes[index].width > 2;
        match (h / component.h, v / component.v) {
            (2, 1) if wide => Method::Across,
            (1, 2) => Method::Down,
            (2, 2) if wide => Method::Both,
            (h, v) => Method::Repeat { h, v },
        }
    };
    let methods: Vec<Method> = (0..planes.len()).map(method).collect();
    let count = planes.len();
    let mut pixels = vec![0; count * frame.width * frame.height];
    let mut line = Vec::new();
    for (y, row) in pixels.chunks_exact_mut(count * frame.width).enumerate() {
        for (index, (plane, method)) in planes.iter().zip(&methods).enumerate() {
            upsample(plane, *method, y, &mut line);
            for (pixel, sample) in row.chunks_exact_mut(count).zip(&line) {
                pixel[index] = *sample;
            }
        }
    }
    pixels
}

/// A row of a plane inside the picture.
fn row(plane: &Plane, y: usize) -> &[u8] {
    &plane.samples[y * plane.stride..][..plane.width]
}

/// The row `y` of the picture; `line` may become longer than the picture is wide.
fn upsample(plane: &Plane, method: Method, y: usize, line: &mut Vec<u8>) {
    line.clear();
    if let Method::Repeat { h, v } = method {
        return line.extend(row(plane, y / v).iter().flat_map(|sample| std::iter::repeat_n(*sample, h)));
    }
    if let Method::Across = method {
        let samples: Vec<u32> = row(plane, y).iter().map(|sample| u32::from(*sample)).collect();
        return across(&samples, 4, (1, 2), line);
    }
    // Three parts of the nearer row and one of the other.
    let near = row(plane, y / 2);
    let far = match y % 2 {
        0 => row(plane, (y / 2).saturating_sub(1)),
        _ => row(plane, (y / 2 + 1).min(plane.height - 1)),
    };
    let sums = near.iter().zip(far).map(|(near, far)| 3 * u32::from(*near) + u32::from(*far));
    match method {
        Method::Down => {
            let bias = 1 + (y % 2) as u32;
            line.extend(sums.map(|sum| ((sum + bias) >> 2) as u8));
        }
        _ => across(&sums.collect::<Vec<u32>>(), 16, (8, 7), line),
    }
}

/// The triangle filter across samples that are `scale / 4` times too large, with libjpeg's alternating
/// roundings.
fn across(samples: &[u32], scale: u32, (left, right): (u32, u32), line: &mut Vec<u8>) {
    let last = samples.len() - 1;
    for (i, &sample) in samples.iter().enumerate() {
        let before = samples[i.saturating_sub(1)];
        let after = samples[(i + 1).min(last)];
        line.push(((3 * sample + before + left) / scale) as u8);
        line.push(((3 * sample + after + right) / scale) as u8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_triangle_filter_rounds_as_libjpeg_does() {
        let mut line = Vec::new();
        across(&[0, 100, 200], 4, (1, 2), &mut line);
        assert_eq!(line, [0, 25, 75, 125, 175, 200]);
        line.clear();
        // Sums of three parts and one: (3 * 40 + 8) / 16 = 8, (120 + 7) / 16 = 7.
        across(&[0, 40, 0], 16, (8, 7), &mut line);
        assert_eq!(line, [0, 2, 8, 7, 3, 0]);
    }
}
