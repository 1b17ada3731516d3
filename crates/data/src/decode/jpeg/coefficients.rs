//! From the coded data of all scans to the samples of each component (T.81, annexes F and G).

use super::bits::{Bits, Fault, Huffman};
use super::headers::{DHT, DQT, DRI, Frame, Headers, SOS, Scan};
use super::transform::inverse_dct;

/// The natural place of each coefficient, in zigzag order.
const NATURAL: [u8; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7,
    14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39,
    46, 53, 60, 61, 54, 47, 55, 62, 63,
];

type Table = [u16; 64];

/// The samples of a component, in whole blocks.
#[derive(Clone, Debug)]
pub(super) struct Plane {
    /// Samples in a line of `samples`.
    pub(super) stride: usize,
    /// Columns and rows of samples inside the picture.
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) samples: Vec<u8>,
    /// Blocks in a line of the component alone; a scan of several components has whole units.
    blocks: (usize, usize),
    /// The quantization table, kept from the first scan on as libjpeg does.
    table: Option<Table>,
    /// The coefficients of a progressive file.
    coefficients: Vec<i16>,
}

impl Plane {
    fn new(frame: &Frame, index: usize, with_samples: bool) -> Self {
        let component = frame.components[index];
        let (h, v) = frame.max();
        let (width, height) =
            ((frame.width * component.h).div_ceil(h), (frame.height * component.v).div_ceil(v));
        let across = frame.width.div_ceil(8 * h) * component.h;
        let down = frame.height.div_ceil(8 * v) * component.v;
        let size = 64 * across * down;
        Self {
            stride: 8 * across,
            width,
            height,
            samples: if with_samples && !frame.progressive { vec![0; size] } else { Vec::new() },
            blocks: (width.div_ceil(8), height.div_ceil(8)),
            table: None,
            coefficients: if frame.progressive { vec![0; size] } else { Vec::new() },
        }
    }

    /// Writes the samples of a block.
    fn transform(&mut self, x: usize, y: usize, block: &[i16; 64]) {
        let table = self.table.as_ref().expect("a scan has set the table");
        let samples = inverse_dct(block, table);
        for (row, line) in samples.chunks_exact(8).enumerate() {
            let start = (8 * y + row) * self.stride + 8 * x;
            self.samples[start..start + 8].copy_from_slice(line);
        }
    }

    /// The samples of a progressive file from its coefficients.
    fn transform_all(&mut self) {
        let coefficients = std::mem::take(&mut self.coefficients);
        self.samples = vec![0; coefficients.len()];
        let across = self.stride / 8;
        for (i, block) in coefficients.as_chunks::<64>().0.iter().enumerate() {
            self.transform(i % across, i / across, block);
        }
    }
}

/// The tables in force.
#[derive(Default)]
struct Tables {
    quantization: [Option<Table>; 4],
    dc: [Option<Huffman>; 4],
    ac: [Option<Huffman>; 4],
    restart: usize,
}

const DAMAGED_TABLE: &str = "not a whole JPEG: a table is damaged";

impl Tables {
    fn read(&mut self, marker: u8, mut body: &[u8]) -> Result<(), String> {
        match marker {
            DQT => {
                while let Some((&head, rest)) = body.split_first() {
                    let wide = usize::from(head >> 4 == 1) + 1;
                    let (values, rest) = rest.split_at_checked(64 * wide).ok_or(DAMAGED_TABLE)?;
                    let mut table = [0; 64];
                    for (value, place) in values.chunks_exact(wide).zip(NATURAL) {
                        table[usize::from(place)] =
                            value.iter().fold(0, |all, byte| all << 8 | u16::from(*byte));
                    }
                    *self.quantization.get_mut(usize::from(head & 15)).ok_or(DAMAGED_TABLE)? = Some(table);
                    body = rest;
                }
            }
            DHT => {
                while let Some((&head, rest)) = body.split_first() {
                    let (counts, rest) = rest.split_first_chunk::<16>().ok_or(DAMAGED_TABLE)?;
                    let number = counts.iter().map(|count| usize::from(*count)).sum();
                    let (symbols, rest) = rest.split_at_checked(number).ok_or(DAMAGED_TABLE)?;
                    let tables = if head >> 4 == 0 { &mut self.dc } else { &mut self.ac };
                    let table = Huffman::new(counts, symbols).ok_or(DAMAGED_TABLE)?;
                    *tables.get_mut(usize::from(head & 15)).ok_or(DAMAGED_TABLE)? = Some(table);
                    body = rest;
                }
            }
            DRI => {
                let value = body.first_chunk().ok_or(DAMAGED_TABLE)?;
                self.restart = usize::from(u16::from_be_bytes(*value));
            }
            _ => {}
        }
        Ok(())
    }
}

/// Decodes every scan. On failure, the reason.
pub(super) fn decode(headers: &Headers) -> Result<Vec<Plane>, String> {
    let mut planes = planes(headers, true)?;
    if headers.frame.progressive {
        planes.iter_mut().for_each(Plane::transform_all);
    }
    Ok(planes)
}

/// Reads every scan without its pixels. On failure, the reason: blocks are missing or damaged.
pub(super) fn check(headers: &Headers) -> Result<(), String> {
    planes(headers, false).map(|_| ())
}

/// The components after every scan: the coefficients of a progressive file, the samples of another one.
fn planes(headers: &Headers, with_samples: bool) -> Result<Vec<Plane>, String> {
    let frame = &headers.frame;
    let count = frame.components.len();
    let mut planes: Vec<Plane> = (0..count).map(|index| Plane::new(frame, index, with_samples)).collect();
    let (mut tables, mut scans) = (Tables::default(), headers.scans.iter());
    for segment in &headers.segments {
        tables.read(segment.marker, segment.body)?;
        if segment.marker != SOS {
            continue;
        }
        let scan = scans.next().ok_or("a JPEG with a scan that has no header")?;
        for &(index, ..) in &scan.components {
            if planes[index].table.is_none() {
                let table = tables.quantization[frame.components[index].table];
                planes[index].table = Some(table.ok_or("a JPEG without a quantization table")?);
            }
        }
        decode_scan(frame, scan, &tables, segment.data, &mut planes).map_err(|fault| match fault {
            Fault::Incomplete => "not a whole JPEG: the pixels end early",
            Fault::Damaged => "not a whole JPEG: the coded data are damaged",
        })?;
    }
    Ok(planes)
}

/// The state of the decoder within a scan.
struct State<'a> {
    bits: Bits<'a>,
    /// The last DC value of each component of the scan.
    previous: [i32; 4],
    /// Blocks without further coefficients (progressive files).
    run: u32,
}

fn decode_scan(
    frame: &Frame,
    scan: &Scan,
    tables: &Tables,
    data: &[u8],
    planes: &mut [Plane],
) -> Result<(), Fault> {
    let mut state = State { bits: Bits::new(data), previous: [0; 4], run: 0 };
    let single = scan.components.len() == 1;
    let (h, v) = frame.max();
    let (across, down) = match *scan.components {
        [(index, ..)] => planes[index].blocks,
        _ => (frame.width.div_ceil(8 * h), frame.height.div_ceil(8 * v)),
    };
    for unit in 0..across * down {
        if tables.restart > 0 && unit > 0 && unit % tables.restart == 0 {
            state.bits.restart(((unit / tables.restart - 1) % 8) as u8)?;
            (state.previous, state.run) = ([0; 4], 0);
        }
        for (place, &(index, dc, ac)) in scan.components.iter().enumerate() {
            let component = frame.components[index];
            let (columns, rows) = if single { (1, 1) } else { (component.h, component.v) };
            let (left, top) = (unit % across * columns, unit / across * rows);
            let tables = (tables.dc[dc].as_ref(), tables.ac[ac].as_ref());
            let plane = &mut planes[index];
            for (x, y) in (0..columns * rows).map(|i| (left + i % columns, top + i / columns)) {
                if plane.samples.is_empty() && !frame.progressive {
                    state.pass(tables)?;
                } else if frame.progressive {
                    let start = 64 * (y * (plane.stride / 8) + x);
                    let block = plane.coefficients[start..].first_chunk_mut().ok_or(Fault::Damaged)?;
                    state.progressive(scan, place, tables, block)?;
                } else {
                    let block = state.sequential(place, tables)?;
                    plane.transform(x, y, &block);
                }
            }
        }
    }
    Ok(())
}

type Pair<'a> = (Option<&'a Huffman>, Option<&'a Huffman>);

impl State<'_> {
    fn dc(&mut self, place: usize, table: Option<&Huffman>) -> Result<i32, Fault> {
        let size = self.bits.symbol(table.ok_or(Fault::Damaged)?)?;
        if size > 15 {
            return Err(Fault::Damaged);
        }
        self.previous[place] = self.previous[place].wrapping_add(self.bits.signed(size.into())?);
        Ok(self.previous[place])
    }

    /// The block of a sequential file, in natural order.
    fn sequential(&mut self, place: usize, (dc, ac): Pair) -> Result<[i16; 64], Fault> {
        let mut block = [0; 64];
        block[0] = self.dc(place, dc)? as i16;
        let ac = ac.ok_or(Fault::Damaged)?;
        let mut k = 1;
        while k < 64 {
            let symbol = self.bits.symbol(ac)?;
            let (run, size) = (usize::from(symbol >> 4), u32::from(symbol & 15));
            match (run, size) {
                (15, 0) => k += 16,
                (_, 0) => break,
                _ => {
                    k += run;
                    let value = self.bits.signed(size)? as i16;
                    *block.get_mut(natural(k)?).ok_or(Fault::Damaged)? = value;
                    k += 1;
                }
            }
        }
        Ok(block)
    }

    /// Passes over the block of a sequential file.
    fn pass(&mut self, (dc, ac): Pair) -> Result<(), Fault> {
        let size = self.bits.symbol(dc.ok_or(Fault::Damaged)?)?;
        if size > 15 {
            return Err(Fault::Damaged);
        }
        self.bits.skip(size.into())?;
        let ac = ac.ok_or(Fault::Damaged)?;
        let mut k = 1;
        while k < 64 {
            let symbol = self.bits.symbol(ac)?;
            match (usize::from(symbol >> 4), symbol & 15) {
                (15, 0) => k += 16,
                (_, 0) => break,
                (run, size) => {
                    k += run + 1;
                    if k > 64 {
                        return Err(Fault::Damaged);
                    }
                    self.bits.skip(size.into())?;
                }
            }
        }
        Ok(())
    }

    /// A block of a progressive scan (T.81, annex G).
    fn progressive(
        &mut self,
        scan: &Scan,
        place: usize,
        (dc, ac): Pair,
        block: &mut [i16; 64],
    ) -> Result<(), Fault> {
        match (scan.first, scan.high) {
            (0, 0) => block[0] = (self.dc(place, dc)? << scan.low) as i16,
            (0, _) => block[0] |= (self.bits.take(1)? << scan.low) as i16,
            (_, 0) => self.first_ac(scan, ac.ok_or(Fault::Damaged)?, block)?,
            _ => self.refine_ac(scan, ac.ok_or(Fault::Damaged)?, block)?,
        }
        Ok(())
    }

    fn first_ac(&mut self, scan: &Scan, table: &Huffman, block: &mut [i16; 64]) -> Result<(), Fault> {
        if self.run > 0 {
            self.run -= 1;
            return Ok(());
        }
        let mut k = scan.first;
        while k <= scan.last {
            let symbol = self.bits.symbol(table)?;
            let (run, size) = (u32::from(symbol >> 4), u32::from(symbol & 15));
            match (run, size) {
                (15, 0) => k += 16,
                (_, 0) => {
                    self.run = (1 << run) - 1 + self.bits.take(run)?;
                    break;
                }
                _ => {
                    k += run as usize;
                    let value = self.bits.signed(size)? << scan.low;
                    block[natural(k)?] = value as i16;
                    k += 1;
                }
            }
        }
        Ok(())
    }

    fn refine_ac(&mut self, scan: &Scan, table: &Huffman, block: &mut [i16; 64]) -> Result<(), Fault> {
        let bit = 1i16 << scan.low;
        let mut k = scan.first;
        while self.run == 0 && k <= scan.last {
            let symbol = self.bits.symbol(table)?;
            let (mut zeros, size) = (u32::from(symbol >> 4), symbol & 15);
            let mut value = 0;
            match (zeros, size) {
                (15, 0) => {}
                (_, 0) => {
                    self.run = (1 << zeros) + self.bits.take(zeros)?;
                    break;
                }
                (_, 1) => value = if self.bits.take(1)? == 1 { bit } else { -bit },
                _ => return Err(Fault::Damaged),
            }
            // Coefficients that are there already get one more bit each on the way.
            while k <= scan.last {
                let coefficient = &mut block[natural(k)?];
                k += 1;
                if *coefficient != 0 {
                    self.refine(coefficient, bit)?;
                } else if zeros > 0 {
                    zeros -= 1;
                } else {
                    *coefficient = value;
                    break;
                }
            }
        }
        if self.run > 0 {
            for k in k..=scan.last {
                let coefficient = &mut block[natural(k)?];
                if *coefficient != 0 {
                    self.refine(coefficient, bit)?;
                }
            }
            self.run -= 1;
        }
        Ok(())
    }

    fn refine(&mut self, coefficient: &mut i16, bit: i16) -> Result<(), Fault> {
        if self.bits.take(1)? == 1 && *coefficient & bit == 0 {
            *coefficient = coefficient.saturating_add(if *coefficient > 0 { bit } else { -bit });
        }
        Ok(())
    }
}

fn natural(k: usize) -> Result<usize, Fault> {
    NATURAL.get(k).map(|place| usize::from(*place)).ok_or(Fault::Damaged)
}
