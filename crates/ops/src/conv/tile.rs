//! The transforms of Winograd's F(4x4, 3x3) on tiles of NHWC images.
//!
//! A tile has 4x4 output pixels, which depend on 6x6 input pixels; its transform has 36 rows of
//! channels. Outside the image a tile reads zeros and writes nothing. The transform matrices are
//! those of Lavin and Gray, "Fast algorithms for convolutional neural networks" (arXiv:1509.09308),
//! §4.3.

#![allow(unsafe_code)]
#![allow(clippy::needless_range_loop)] // no closures in kernels

use std::mem::MaybeUninit;

use super::shapes::{Epilogue, Images, OutputRows};
use crate::cpu::{Element, Simd};

/// The number of positions of a transformed tile.
pub(crate) const POSITIONS: usize = 36;

/// The image of a tile, and its first output pixel.
#[derive(Clone, Copy)]
pub(crate) struct Tile {
    pub(crate) image: usize,
    pub(crate) y: usize,
    pub(crate) x: usize,
}

impl<E: Element> Images<'_, E> {
    pub(crate) fn tiles_down(&self) -> usize {
        self.height.div_ceil(4)
    }

    pub(crate) fn tiles_across(&self) -> usize {
        self.width.div_ceil(4)
    }

    pub(crate) fn tiles(&self) -> usize {
        self.batch * self.tiles_down() * self.tiles_across()
    }

    #[inline(always)]
    pub(crate) fn tile(&self, index: usize) -> Tile {
        let (down, across) = (self.tiles_down(), self.tiles_across());
        Tile { image: index / (down * across), y: index / across % down * 4, x: index % across * 4 }
    }

    /// Panics unless every pixel is inside the slices.
    #[inline(always)]
    pub(crate) fn check(&self) {
        let shift = usize::from(self.up);
        let len = self.batch * (self.height >> shift) * (self.width >> shift) * self.channels;
        assert!(self.data.len() == len);
        if let Some((mask, _)) = self.mask {
            assert!(mask.len() == len && !self.up);
        }
    }

    /// The offsets of `N` rows from `tile.y - before` and of `N` columns from `tile.x - before`, or
    /// [`OUTSIDE`].
    #[inline(always)]
    fn offsets<const N: usize>(&self, tile: Tile, before: usize) -> ([usize; N], [usize; N]) {
        let shift = usize::from(self.up);
        let (height, width) = (self.height >> shift, self.width >> shift);
        let base = tile.image * height * width * self.channels;
        let (mut rows, mut columns) = ([OUTSIDE; N], [OUTSIDE; N]);
        for i in 0..N {
            let (y, x) = ((tile.y + i).wrapping_sub(before), (tile.x + i).wrapping_sub(before));
            if y < self.height {
                rows[i] = base + (y >> shift) * width * self.channels;
            }
            if x < self.width {
                columns[i] = (x >> shift) * self.channels;
            }
        }
        (rows, columns)
    }

    /// Whether no tile extends beyond the image by more than its border of one pixel.
    #[inline(always)]
    fn aligned(&self) -> bool {
        self.height.is_multiple_of(4) && self.width.is_multiple_of(4)
    }

    /// Loads channels of one pixel: a whole vector if `FULL`, else the first `first`. Applies the mask,
    /// if there is one, only if `MASKED`.
    ///
    /// # Safety
    /// From `at`, a vector (if `FULL`) or `first` elements are inside the slices.
    #[inline(always)]
    unsafe fn read<S: Simd, const FULL: bool, const MASKED: bool>(
        &self,
        s: S,
        at: usize,
        first: usize,
    ) -> S::V {
        // SAFETY: the caller's promise.
        unsafe {
            let value = cut_load::<S, E, FULL>(s, self.data.as_ptr().add(at), first);
            match self.mask {
                Some((mask, slope)) if MASKED => {
                    let mask = cut_load::<S, E, FULL>(s, mask.as_ptr().add(at), first);
                    E::rounded(s, s.rectified(value, mask, s.splat(slope)))
                }
                _ => value,
            }
        }
    }
}

/// The offset of a row or column outside the image.
const OUTSIDE: usize = usize::MAX;

/// Loads a whole vector if `FULL`, else the first `first` lanes.
///
/// # Safety
/// These lanes can be read.
#[inline(always)]
unsafe fn cut_load<S: Simd, E: Element, const FULL: bool>(s: S, p: *const E, first: usize) -> S::V {
    // SAFETY: the caller's promise that the lanes are readable.
    unsafe { if FULL { E::load(s, p) } else { E::load_first(s, p, first) } }
}

/// Transforms one tile of the input (`Bᵀ d B`) into `out`. Position `p` is at `p·stride` and has
/// `padded` channels, with zeros past the last.
#[inline(always)]
pub(crate) fn input<S: Simd, E: Element>(
    s: S,
    images: &Images<E>,
    tile: Tile,
    out: &mut [f32],
    stride: usize,
    padded: usize,
) {
    images.check();
    assert!(tile.image < images.batch && padded.is_multiple_of(16));
    assert!((POSITIONS - 1) * stride + padded <= out.len());
    let (rows, columns) = images.offsets::<6>(tile, 1);
    let mut c = 0;
    // SAFETY: offsets other than OUTSIDE are those of pixels of the batch, whose slices were checked;
    // the lanes from `c` are channels of one pixel, and the output was checked.
    unsafe {
        while images.aligned() && c + S::LANES <= images.channels {
            let out = out.as_mut_ptr().add(c);
            match images.mask {
                None => input_lanes::<S, E, true, false>(s, images, &rows, &columns, c, out, stride),
                Some(_) => input_lanes::<S, E, true, true>(s, images, &rows, &columns, c, out, stride),
            }
            c += S::LANES;
        }
        while c < padded {
            input_lanes::<S, E, false, true>(s, images, &rows, &columns, c, out.as_mut_ptr().add(c), stride);
            c += S::LANES;
        }
    }
}

/// Transforms a vector of channels from `c` of one tile.
///
/// # Safety
/// `rows` and `columns` are offsets of the images or OUTSIDE, a vector (if `FULL`) of channels begins
/// at `c`, and a vector can be written to `out` at each position.
#[inline(always)]
unsafe fn input_lanes<S: Simd, E: Element, const FULL: bool, const MASKED: bool>(
    s: S,
    images: &Images<E>,
    rows: &[usize; 6],
    columns: &[usize; 6],
    c: usize,
    out: *mut f32,
    stride: usize,
) {
    let first = images.channels.saturating_sub(c);
    let c = c.min(images.channels);
    // SAFETY: the caller's promise.
    unsafe {
        let half = [
            input_row::<S, E, FULL, MASKED>(s, images, rows[0], columns, c, first),
            input_row::<S, E, FULL, MASKED>(s, images, rows[1], columns, c, first),
            input_row::<S, E, FULL, MASKED>(s, images, rows[2], columns, c, first),
            input_row::<S, E, FULL, MASKED>(s, images, rows[3], columns, c, first),
            input_row::<S, E, FULL, MASKED>(s, images, rows[4], columns, c, first),
            input_row::<S, E, FULL, MASKED>(s, images, rows[5], columns, c, first),
        ];
        for j in 0..6 {
            let o = b_transposed(s, [half[0][j], half[1][j], half[2][j], half[3][j], half[4][j], half[5][j]]);
            for i in 0..6 {
                s.store(out.add((i * 6 + j) * stride), o[i]);
            }
        }
    }
}

/// Six pixels of one row, transformed.
///
/// # Safety
/// As for [`input_lanes`]; if `FULL`, only the outer two pixels may be outside.
#[inline(always)]
unsafe fn input_row<S: Simd, E: Element, const FULL: bool, const MASKED: bool>(
    s: S,
    images: &Images<E>,
    row: usize,
    columns: &[usize; 6],
    c: usize,
    first: usize,
) -> [S::V; 6] {
    let zero = s.splat(0.0);
    if row == OUTSIDE {
        return [zero; 6];
    }
    let mut d = [zero; 6];
    for j in 0..6 {
        if (FULL && 0 < j && j < 5) || columns[j] != OUTSIDE {
            // SAFETY: the caller's promise.
            d[j] = unsafe { images.read::<S, FULL, MASKED>(s, row + columns[j] + c, first) };
        }
    }
    b_transposed(s, d)
}

/// Transforms one tile of the gradient of the output (`A g Aᵀ`), with the layout of [`input`].
#[inline(always)]
pub(crate) fn gradient<S: Simd, E: Element>(
    s: S,
    images: &Images<E>,
    tile: Tile,
    out: &mut [f32],
    stride: usize,
    padded: usize,
) {
    images.check();
    assert!(tile.image < images.batch && padded.is_multiple_of(16));
    assert!((POSITIONS - 1) * stride + padded <= out.len());
    let (rows, columns) = images.offsets::<4>(tile, 0);
    let mut c = 0;
    // SAFETY: as in `input`.
    unsafe {
        while images.aligned() && c + S::LANES <= images.channels {
            let out = out.as_mut_ptr().add(c);
            match images.mask {
                None => gradient_lanes::<S, E, true, false>(s, images, &rows, &columns, c, out, stride),
                Some(_) => gradient_lanes::<S, E, true, true>(s, images, &rows, &columns, c, out, stride),
            }
            c += S::LANES;
        }
        while c < padded {
            let out = out.as_mut_ptr().add(c);
            gradient_lanes::<S, E, false, true>(s, images, &rows, &columns, c, out, stride);
            c += S::LANES;
        }
    }
}

/// Transforms a vector of channels from `c` of one tile.
///
/// # Safety
/// As for [`input_lanes`].
#[inline(always)]
unsafe fn gradient_lanes<S: Simd, E: Element, const FULL: bool, const MASKED: bool>(
    s: S,
    images: &Images<E>,
    rows: &[usize; 4],
    columns: &[usize; 4],
    c: usize,
    out: *mut f32,
    stride: usize,
) {
    let first = images.channels.saturating_sub(c);
    let c = c.min(images.channels);
    // SAFETY: the caller's promise.
    unsafe {
        let half = [
            gradient_row::<S, E, FULL, MASKED>(s, images, rows[0], columns, c, first),
            gradient_row::<S, E, FULL, MASKED>(s, images, rows[1], columns, c, first),
            gradient_row::<S, E, FULL, MASKED>(s, images, rows[2], columns, c, first),
            gradient_row::<S, E, FULL, MASKED>(s, images, rows[3], columns, c, first),
        ];
        for j in 0..6 {
            let o = a(s, [half[0][j], half[1][j], half[2][j], half[3][j]]);
            for i in 0..6 {
                s.store(out.add((i * 6 + j) * stride), o[i]);
            }
        }
    }
}

/// Four pixels of one row, transformed.
///
/// # Safety
/// As for [`input_lanes`]; if `FULL`, no pixel is outside.
#[inline(always)]
unsafe fn gradient_row<S: Simd, E: Element, const FULL: bool, const MASKED: bool>(
    s: S,
    images: &Images<E>,
    row: usize,
    columns: &[usize; 4],
    c: usize,
    first: usize,
) -> [S::V; 6] {
    let zero = s.splat(0.0);
    if !FULL && row == OUTSIDE {
        return [zero; 6];
    }
    let mut d = [zero; 4];
    for j in 0..4 {
        if FULL || columns[j] != OUTSIDE {
            // SAFETY: the caller's promise.
            d[j] = unsafe { images.read::<S, FULL, MASKED>(s, row + columns[j] + c, first) };
        }
    }
    a(s, d)
}

/// The products of a block of tiles. Channel `c` at position `p` of tile `t` is at
/// `c / 32 · panel + p·position + t·tile + c % 32`.
#[derive(Clone, Copy)]
pub(crate) struct Sums<'a> {
    pub(crate) data: &'a [f32],
    pub(crate) panel: usize,
    pub(crate) position: usize,
    pub(crate) tile: usize,
}

/// Transforms the sums of one tile back (`Aᵀ m A`) and writes its pixels: the columns from `x` of all
/// of `rows`. `local` is the index of the tile in the sums.
#[inline(always)]
pub(crate) fn output<S: Simd, E: Element>(
    s: S,
    sums: &Sums,
    local: usize,
    x: usize,
    epilogue: &Epilogue<E>,
    rows: &mut OutputRows<E>,
) {
    let channels = rows.channels;
    let shift = usize::from(epilogue.down);
    assert!(x < rows.width && (1..=4).contains(&rows.height));
    assert!(!epilogue.down || (rows.width.is_multiple_of(2) && rows.height.is_multiple_of(2)));
    assert!(rows.data.len() == (rows.height >> shift) * (rows.width >> shift) * channels);
    let last = (channels - 1) / 32 * sums.panel + (channels - 1) % 32 / 16 * 16;
    assert!(last + (POSITIONS - 1) * sums.position + local * sums.tile + 16 <= sums.data.len());
    if let Some(bias) = epilogue.bias {
        assert!(bias.len() == channels);
    }
    if let Some((mask, _)) = epilogue.mask {
        assert!(rows.start + rows.data.len() <= mask.len() && !epilogue.down);
    }
    let mut c = 0;
    // SAFETY: the sums, whose channels are padded to 16, the output, the bias and the mask were checked
    // to contain the tile; pixels outside the image and lanes past the last channel are not accessed.
    unsafe {
        while c + S::LANES <= channels {
            output_lanes::<S, E, true>(s, sums, local, x, epilogue, rows, c);
            c += S::LANES;
        }
        if c < channels {
            output_lanes::<S, E, false>(s, sums, local, x, epilogue, rows, c);
        }
    }
}

/// Transforms back and writes a vector of channels from `c` of one tile.
///
/// # Safety
/// [`output`] checked the slices; if `FULL`, a vector of channels begins at `c`.
#[inline(always)]
unsafe fn output_lanes<S: Simd, E: Element, const FULL: bool>(
    s: S,
    sums: &Sums,
    local: usize,
    x: usize,
    epilogue: &Epilogue<E>,
    rows: &mut OutputRows<E>,
    c: usize,
) {
    let zero = s.splat(0.0);
    let first = rows.channels - c;
    // SAFETY: the caller's promise.
    unsafe {
        let m = sums.data.as_ptr().add(c / 32 * sums.panel + local * sums.tile + c % 32);
        let half = [
            output_column(s, m, sums.position),
            output_column(s, m.add(sums.position), sums.position),
            output_column(s, m.add(2 * sums.position), sums.position),
            output_column(s, m.add(3 * sums.position), sums.position),
            output_column(s, m.add(4 * sums.position), sums.position),
            output_column(s, m.add(5 * sums.position), sums.position),
        ];
        let bias = match epilogue.bias {
            Some(bias) => cut_load::<S, f32, FULL>(s, bias.as_ptr().add(c), first),
            None => zero,
        };
        let mut q = [[zero; 4]; 4];
        for i in 0..4 {
            q[i] = a_transposed(s, [half[0][i], half[1][i], half[2][i], half[3][i], half[4][i], half[5][i]]);
            for j in 0..4 {
                q[i][j] = s.add(q[i][j], bias);
            }
        }
        if let Some(slope) = epilogue.slope {
            let slope = s.splat(slope);
            for i in 0..4 {
                for j in 0..4 {
                    q[i][j] = s.max(q[i][j], s.mul(q[i][j], slope));
                }
            }
        }
        let (wide, high) = (rows.width - x, rows.height);
        let out = rows.data.as_mut_ptr().cast::<E>();
        if epilogue.down {
            for i in 0..2 {
                for j in 0..2 {
                    if 2 * i < high && 2 * j < wide {
                        let sum = s.add(
                            s.add(q[2 * i][2 * j], q[2 * i][2 * j + 1]),
                            s.add(q[2 * i + 1][2 * j], q[2 * i + 1][2 * j + 1]),
                        );
                        let at = (i * (rows.width / 2) + x / 2 + j) * rows.channels + c;
                        cut_store::<S, E, FULL>(s, out.add(at), sum, first);
                    }
                }
            }
            return;
        }
        for i in 0..4 {
            for j in 0..4 {
                if i < high && j < wide {
                    let at = (i * rows.width + x + j) * rows.channels + c;
                    let mut value = q[i][j];
                    if let Some((mask, slope)) = epilogue.mask {
                        let mask = cut_load::<S, E, FULL>(s, mask.as_ptr().add(rows.start + at), first);
                        value = s.rectified(value, mask, s.splat(slope));
                    }
                    cut_store::<S, E, FULL>(s, out.add(at), value, first);
                }
            }
        }
    }
}

/// One column of a tile's sums, transformed: six elements, six positions apart.
///
/// # Safety
/// A vector can be read from `m` at each of these positions.
#[inline(always)]
unsafe fn output_column<S: Simd>(s: S, m: *const f32, position: usize) -> [S::V; 4] {
    let mut d = [s.splat(0.0); 6];
    for i in 0..6 {
        // SAFETY: the caller's promise that all positions of the tile can be read.
        d[i] = unsafe { s.load(m.add(i * 6 * position)) };
    }
    a_transposed(s, d)
}

/// Stores a whole vector if `FULL`, else the first `first` lanes.
///
/// # Safety
/// These lanes can be written.
#[inline(always)]
unsafe fn cut_store<S: Simd, E: Element, const FULL: bool>(s: S, p: *mut E, v: S::V, first: usize) {
    // SAFETY: the caller's promise that the lanes are writable.
    unsafe { if FULL { E::store(s, p, v) } else { E::store_first(s, p, v, first) } }
}

/// Transforms the weights of one input channel (`scale · G g Gᵀ`) for one panel of output channels.
/// `taps` has nine rows, `tap` elements apart, of which the first `columns` elements are used.
/// Position `p` is written at `p·position` of `out`, `width` elements.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
pub(crate) fn weights<S: Simd>(
    s: S,
    taps: &[f32],
    tap: usize,
    columns: usize,
    scale: f32,
    out: &mut [f32],
    position: usize,
    width: usize,
) {
    assert!(columns <= width && width.is_multiple_of(16) && 8 * tap + columns <= taps.len());
    assert!((POSITIONS - 1) * position + width <= out.len());
    let scale = s.splat(scale);
    let mut c = 0;
    while c < width {
        let first = columns.saturating_sub(c);
        let mut half = [[s.splat(0.0); 3]; 6];
        // SAFETY: both slices were checked; lanes past `columns` are not read.
        unsafe {
            let taps = taps.as_ptr().add(c.min(columns));
            for j in 0..3 {
                let mut w = [s.splat(0.0); 3];
                for i in 0..3 {
                    w[i] = s.load_first(taps.add((3 * i + j) * tap), first);
                }
                let o = g(s, w);
                for i in 0..6 {
                    half[i][j] = o[i];
                }
            }
            for i in 0..6 {
                let o = g(s, half[i]);
                for j in 0..6 {
                    s.store(out.as_mut_ptr().add((i * 6 + j) * position + c), s.mul(scale, o[j]));
                }
            }
        }
        c += S::LANES;
    }
}

/// Transforms the gradient of the transformed weights of one input channel back
/// (`scale · Gᵀ u G`). Position `p` is at `p·position` of `u`; all elements of `taps` are written.
#[inline(always)]
pub(crate) fn weights_back<S: Simd>(
    s: S,
    u: &[f32],
    position: usize,
    scale: f32,
    taps: &mut [&mut [MaybeUninit<f32>]; 9],
) {
    let columns = taps[0].len();
    for tap in taps.iter() {
        assert!(tap.len() == columns);
    }
    assert!((POSITIONS - 1) * position + columns.next_multiple_of(16) <= u.len());
    let scale = s.splat(scale);
    let mut c = 0;
    while c < columns {
        let first = columns - c;
        let mut half = [[s.splat(0.0); 6]; 3];
        // SAFETY: the slices were checked; `u` is padded to 16; lanes past `columns` are not written.
        unsafe {
            for j in 0..6 {
                let mut d = [s.splat(0.0); 6];
                for i in 0..6 {
                    d[i] = s.load(u.as_ptr().add((i * 6 + j) * position + c));
                }
                let o = g_transposed(s, d);
                for i in 0..3 {
                    half[i][j] = o[i];
                }
            }
            for i in 0..3 {
                let o = g_transposed(s, half[i]);
                for j in 0..3 {
                    s.store_first(
                        taps[3 * i + j].as_mut_ptr().cast::<f32>().add(c),
                        s.mul(scale, o[j]),
                        first,
                    );
                }
            }
        }
        c += S::LANES;
    }
}

/// `Bᵀ d`.
#[inline(always)]
fn b_transposed<S: Simd>(s: S, d: [S::V; 6]) -> [S::V; 6] {
    let (four, minus_four, minus_five) = (s.splat(4.0), s.splat(-4.0), s.splat(-5.0));
    let a = s.fma(minus_four, d[2], d[4]);
    let b = s.fma(minus_four, d[1], d[3]);
    let c = s.sub(d[4], d[2]);
    let e = s.mul(s.splat(2.0), s.sub(d[3], d[1]));
    [
        s.fma(four, d[0], s.fma(minus_five, d[2], d[4])),
        s.add(a, b),
        s.sub(a, b),
        s.add(c, e),
        s.sub(c, e),
        s.fma(four, d[1], s.fma(minus_five, d[3], d[5])),
    ]
}

/// `Aᵀ m`.
#[inline(always)]
fn a_transposed<S: Simd>(s: S, m: [S::V; 6]) -> [S::V; 4] {
    let (a, b) = (s.add(m[1], m[2]), s.sub(m[1], m[2]));
    let (c, d) = (s.add(m[3], m[4]), s.sub(m[3], m[4]));
    [
        s.add(m[0], s.add(a, c)),
        s.fma(s.splat(2.0), d, b),
        s.fma(s.splat(4.0), c, a),
        s.add(s.fma(s.splat(8.0), d, b), m[5]),
    ]
}

/// `A y`.
#[inline(always)]
fn a<S: Simd>(s: S, y: [S::V; 4]) -> [S::V; 6] {
    let (even, odd) = (s.add(y[0], y[2]), s.add(y[1], y[3]));
    let even4 = s.fma(s.splat(4.0), y[2], y[0]);
    let odd8 = s.fma(s.splat(8.0), y[3], s.mul(s.splat(2.0), y[1]));
    [y[0], s.add(even, odd), s.sub(even, odd), s.add(even4, odd8), s.sub(even4, odd8), y[3]]
}

/// `G g`.
#[inline(always)]
fn g<S: Simd>(s: S, g: [S::V; 3]) -> [S::V; 6] {
    let sixth = s.splat(-1.0 / 6.0);
    let even = s.add(g[0], g[2]);
    let even4 = s.mul(s.fma(s.splat(4.0), g[2], g[0]), s.splat(1.0 / 24.0));
    let odd = s.mul(g[1], s.splat(1.0 / 12.0));
    [
        s.mul(g[0], s.splat(0.25)),
        s.mul(sixth, s.add(even, g[1])),
        s.mul(sixth, s.sub(even, g[1])),
        s.add(even4, odd),
        s.sub(even4, odd),
        g[2],
    ]
}

/// `Gᵀ u`.
#[inline(always)]
fn g_transposed<S: Simd>(s: S, u: [S::V; 6]) -> [S::V; 3] {
    let (a, b) = (s.add(u[1], u[2]), s.sub(u[2], u[1]));
    let (c, d) = (s.add(u[3], u[4]), s.sub(u[3], u[4]));
    let (sixth, minus_sixth) = (s.splat(1.0 / 6.0), s.splat(-1.0 / 6.0));
    [
        s.fma(s.splat(0.25), u[0], s.fma(minus_sixth, a, s.mul(s.splat(1.0 / 24.0), c))),
        s.fma(sixth, b, s.mul(s.splat(1.0 / 12.0), d)),
        s.add(u[5], s.fma(minus_sixth, a, s.mul(sixth, c))),
    ]
}
