//! Files of a small encoder: the mean of each block, in every arrangement of scans.

use super::headers::Headers;
use super::*;

/// What a file varies in.
#[derive(Clone)]
struct Form<'a> {
    factors: &'a [(u8, u8)],
    /// The components of each scan.
    scans: &'a [&'a [usize]],
    progressive: bool,
    restart: usize,
    junk: &'a [u8],
}

const WIDTH: usize = 61;
const HEIGHT: usize = 47;
const PLAIN: Form = Form {
    factors: &[(1, 1), (1, 1), (1, 1)],
    scans: &[&[0, 1, 2]],
    progressive: false,
    restart: 0,
    junk: &[],
};

/// The mean of a block, less 128: chroma is the same everywhere.
fn mean(component: usize, x: usize, y: usize) -> i32 {
    [20 * x as i32 - 11 * y as i32 - 40, -20, 30][component]
}

/// The colour of a pixel, by hand: R = Y + 1.402 Cr, G = Y - 0.344 Cb - 0.714 Cr, B = Y + 1.772 Cb.
fn colour(x: usize, y: usize) -> [u8; 3] {
    let y = 128 + mean(0, x / 8, y / 8);
    [y + 42, y - 15, y - 35].map(|value| value.clamp(0, 255) as u8)
}

#[derive(Default)]
struct Writer {
    bytes: Vec<u8>,
    bits: u32,
    count: u32,
}

impl Writer {
    fn put(&mut self, value: u32, count: u32) {
        for bit in (0..count).rev() {
            self.bits = self.bits << 1 | (value >> bit & 1);
            self.count += 1;
            if self.count == 8 {
                self.bytes.push(self.bits as u8);
                if self.bits == 255 {
                    self.bytes.push(0);
                }
                (self.bits, self.count) = (0, 0);
            }
        }
    }

    /// A difference: its size as a code of four bits, and its bits.
    fn difference(&mut self, value: i32) {
        let size = 32 - value.unsigned_abs().leading_zeros();
        self.put(size, 4);
        self.put((if value < 0 { value + (1 << size) - 1 } else { value }) as u32, size);
    }

    fn align(&mut self) {
        while self.count > 0 {
            self.put(1, 1);
        }
    }
}

impl Form<'_> {
    fn encode(&self) -> Vec<u8> {
        let mut file = b"\xff\xd8".to_vec();
        let segment = |file: &mut Vec<u8>, marker: u8, body: &[u8]| {
            file.extend(if file.len() > 2 { self.junk } else { &[] });
            file.extend([0xff, marker]);
            file.extend((body.len() as u16 + 2).to_be_bytes());
            file.extend(body);
        };
        segment(&mut file, 0xe0, b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0");
        segment(&mut file, 0xdb, &[&[0][..], &[8; 64]].concat());
        let mut frame = vec![8, 0, HEIGHT as u8, 0, WIDTH as u8, self.factors.len() as u8];
        (1..).zip(self.factors).for_each(|(id, (h, v))| frame.extend([id, h << 4 | v, 0]));
        segment(&mut file, if self.progressive { 0xc2 } else { 0xc0 }, &frame);
        // Codes of four bits for the sizes of differences, and one of one bit for the end of a block.
        let counts = |length: usize, count: u8| {
            let mut counts = [0; 16];
            counts[length - 1] = count;
            counts
        };
        segment(&mut file, 0xc4, &[&[0][..], &counts(4, 12), &(0..12).collect::<Vec<u8>>()].concat());
        segment(&mut file, 0xc4, &[&[0x10][..], &counts(1, 1), &[0]].concat());
        segment(&mut file, 0xdd, &(self.restart as u16).to_be_bytes());
        // Progressive files have the means but for one bit, that bit, and the other coefficients.
        let passes: &[(u8, u8, u8)] =
            if self.progressive { &[(0, 0, 0x01), (0, 0, 0x10), (1, 63, 0)] } else { &[(0, 63, 0)] };
        for &(first, last, bits) in passes {
            let alone: Vec<[usize; 1]> = (0..self.factors.len()).map(|component| [component]).collect();
            let alone: Vec<&[usize]> = alone.iter().map(|scan| &scan[..]).collect();
            for scan in if first > 0 { &alone } else { self.scans } {
                let mut header = vec![scan.len() as u8];
                scan.iter().for_each(|component| header.extend([*component as u8 + 1, 0]));
                header.extend([first, last, bits]);
                segment(&mut file, 0xda, &header);
                file.extend(self.scan(scan, first, bits));
            }
        }
        file.extend(self.junk);
        file.extend([0xff, 0xd9]);
        file
    }

    fn scan(&self, scan: &[usize], first: u8, bits: u8) -> Vec<u8> {
        let factor = |component: usize| {
            let (h, v) = self.factors[component];
            (usize::from(h), usize::from(v))
        };
        let most = |of: fn(&(u8, u8)) -> u8| usize::from(self.factors.iter().map(of).max().unwrap());
        let (h, v) = (most(|it| it.0), most(|it| it.1));
        let (own_h, own_v) = factor(scan[0]);
        let (across, down) = match scan.len() {
            1 => ((WIDTH * own_h).div_ceil(8 * h), (HEIGHT * own_v).div_ceil(8 * v)),
            _ => (WIDTH.div_ceil(8 * h), HEIGHT.div_ceil(8 * v)),
        };
        let (mut writer, mut previous) = (Writer::default(), [0; 4]);
        for unit in 0..across * down {
            if self.restart > 0 && unit > 0 && unit % self.restart == 0 {
                writer.align();
                writer.bytes.extend([0xff, 0xd0 + ((unit / self.restart - 1) % 8) as u8]);
                previous = [0; 4];
            }
            for &component in scan {
                let (h, v) = if scan.len() == 1 { (1, 1) } else { factor(component) };
                for i in 0..h * v {
                    let value = mean(component, unit % across * h + i % h, unit / across * v + i / h);
                    match (first, bits) {
                        (1.., _) => writer.put(0, 1),
                        (_, 0x10) => writer.put((value & 1) as u32, 1),
                        _ => {
                            let value = value >> (bits & 15);
                            writer.difference(value - previous[component]);
                            previous[component] = value;
                            writer.put(0, u32::from(!self.progressive));
                        }
                    }
                }
            }
        }
        writer.align();
        writer.bytes
    }
}

/// Checks every pixel of a file.
fn check(form: &Form, bytes: &[u8]) {
    let picture = decode(bytes, 1 << 20).unwrap();
    assert_eq!((picture.width, picture.height), (WIDTH, HEIGHT));
    let pixels = picture.samples.as_chunks::<3>().0;
    let wrong = (0..WIDTH * HEIGHT).find(|i| pixels[*i] != colour(i % WIDTH, i / WIDTH));
    assert_eq!(wrong, None, "{:?} {:?} {}", form.factors, form.scans, form.progressive);
}

const FACTORS: [&[(u8, u8)]; 7] = [
    &[(1, 1), (1, 1), (1, 1)],
    &[(2, 1), (1, 1), (1, 1)],
    &[(1, 2), (1, 1), (1, 1)],
    &[(2, 2), (1, 1), (1, 1)],
    &[(4, 1), (2, 1), (1, 1)],
    &[(3, 1), (1, 1), (1, 1)],
    &[(2, 2), (2, 1), (1, 2)],
];

#[test]
fn every_arrangement_of_scans_is_the_same_picture() {
    let scans: [&[&[usize]]; 4] = [&[&[0, 1, 2]], &[&[0], &[1], &[2]], &[&[1], &[2], &[0]], &[&[0], &[1, 2]]];
    for factors in FACTORS {
        for scans in scans {
            for progressive in [false, true] {
                for (restart, junk) in [(0, &b""[..]), (3, b"\0stray\xff\0")] {
                    let form = Form { factors, scans, progressive, restart, junk };
                    check(&form, &form.encode());
                }
            }
        }
    }
}

#[test]
fn both_decoders_agree_on_usual_files() {
    for factors in &FACTORS[..4] {
        let form = Form { factors, ..PLAIN };
        let bytes = form.encode();
        let headers = Headers::parse(&bytes).unwrap();
        assert!(is_usual(&headers));
        assert_eq!(quick(&bytes, &headers).unwrap().samples, exact(&headers).unwrap().samples);
    }
}

#[test]
fn a_file_without_all_of_its_blocks_is_refused() {
    for (progressive, restart) in [(false, 0), (false, 2), (true, 0)] {
        for scans in [&[&[0, 1, 2][..]][..], &[&[0], &[1], &[2]]] {
            let form = Form { progressive, restart, scans, ..PLAIN };
            let whole = form.encode();
            check(&form, &whole[..whole.len() - 2]);
            for length in 2..whole.len() - 3 {
                let cut = &whole[..length];
                assert!(decode(cut, 1 << 20).is_err(), "{length} of {}", whole.len());
                // A progressive file may end with any scan.
                if !progressive {
                    let closed = [cut, b"\xff\xd9"].concat();
                    assert!(decode(&closed, 1 << 20).is_err(), "{length} of {}, closed", whole.len());
                }
            }
        }
    }
}

#[test]
fn forms_that_are_not_read_are_named() {
    let whole = PLAIN.encode();
    let frame = whole.windows(2).position(|it| it == b"\xff\xc0").unwrap();
    let changed = |changes: &[(usize, u8)]| {
        let mut bytes = whole.clone();
        changes.iter().for_each(|(at, value)| bytes[frame + at] = *value);
        decode(&bytes, 1 << 20).unwrap_err()
    };
    for (changes, reason) in [
        (&[(1, 0xc9)][..], "arithmetic coding"),
        (&[(1, 0xc3)], "lossless"),
        (&[(1, 0xc6)], "hierarchical"),
        (&[(4, 12)], "12 bits"),
        (&[(6, 0)], "61x0 pixels"),
        (&[(11, 0x31), (14, 0x21)], "fractional sampling factors 3x1 2x1 1x1"),
        (&[(11, 0x44)], "blocks in a unit"),
        (&[(10, 9)], "damaged scan header"),
    ] {
        let found = changed(changes);
        assert!(found.contains(reason), "{found}");
    }
    let form = Form { scans: &[&[1, 0, 2]], ..PLAIN };
    assert!(decode(&form.encode(), 1 << 20).unwrap_err().contains("out of order"));
    let form = Form { scans: &[&[0]], ..PLAIN };
    assert!(decode(&form.encode(), 1 << 20).unwrap_err().contains("scans are missing"));
}

#[test]
fn changed_bytes_never_panic() {
    for progressive in [false, true] {
        let form = Form { factors: FACTORS[3], scans: &[&[0], &[1, 2]], progressive, restart: 3, junk: &[] };
        let whole = form.encode();
        for at in 2..whole.len() {
            for value in [0, 0xff, whole[at] ^ 0x11] {
                let mut bytes = whole.clone();
                bytes[at] = value;
                if let Ok(picture) = decode(&bytes, 1 << 16) {
                    assert_eq!(
                        picture.samples.len(),
                        picture.width * picture.height * picture.layout.channels()
                    );
                }
            }
        }
    }
}
