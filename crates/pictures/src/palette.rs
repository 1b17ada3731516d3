//! Palettes of at most 256 colours, by NeuQuant, or exact for as few colours.

use std::collections::HashMap;

use gif::Frame;
use t2f_data::Image;

/// The palette of a picture, three bytes a colour, and the index of the colour of each pixel.
///
/// The palette is fitted to a list with each colour once, and once more for every 256 pixels of it,
/// instead of to all pixels, since enlarged tiles repeat each colour hundreds of times. This halves the
/// time and keeps the background, half of all pixels, white.
pub(crate) fn quantized(picture: &Image) -> (Vec<u8>, Vec<u8>) {
    const WIDTH: usize = 256;
    let mut counts: HashMap<&[u8], (usize, usize)> = HashMap::new();
    let mut list: Vec<u8> = Vec::new();
    let mut places: Vec<usize> = Vec::with_capacity(picture.width * picture.height);
    for pixel in picture.pixels.chunks_exact(3) {
        let (place, count) = counts.entry(pixel).or_insert((list.len() / 3, 0));
        if count.is_multiple_of(256) {
            list.extend(pixel);
        }
        *count += 1;
        places.push(*place);
    }
    // The list as a picture, with the last row padded by the last colour. (2^24 colours would need one row
    // more than a GIF can have.)
    let height = (list.len() / 3).div_ceil(WIDTH).min(usize::from(u16::MAX));
    let fill: Vec<u8> = list.iter().rev().take(3).rev().copied().collect();
    list.extend(fill.into_iter().cycle().take(3 * WIDTH * height - list.len().min(3 * WIDTH * height)));
    list.truncate(3 * WIDTH * height);
    let fitted = Frame::from_rgb_speed(WIDTH as u16, height as u16, &list, 3);
    let indices = places.into_iter().map(|place| fitted.buffer.get(place).copied().unwrap_or(0)).collect();
    (fitted.palette.unwrap_or_default(), indices)
}
