//! The segments of a JPEG file: frame, scans, colour space and metadata, without pixels.

/// A marker segment, and after a scan header the coded data up to the next segment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment<'a> {
    pub(super) marker: u8,
    pub(super) body: &'a [u8],
    pub(super) data: &'a [u8],
}

pub(super) const DHT: u8 = 0xc4;
pub(super) const DQT: u8 = 0xdb;
pub(super) const DRI: u8 = 0xdd;
pub(super) const SOS: u8 = 0xda;
const EOI: u8 = 0xd9;

/// The most scans of a file; progressive files have about ten.
const MOST_SCANS: usize = 256;

/// The colour space of the components.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Colours {
    Gray,
    YCbCr,
    Rgb,
    Cmyk,
    Ycck,
}

/// A component of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Component {
    pub(super) id: u8,
    /// Horizontal and vertical sampling factors, 1 to 4.
    pub(super) h: usize,
    pub(super) v: usize,
    /// The quantization table, 0 to 3.
    pub(super) table: usize,
}

/// The frame header.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    pub(super) progressive: bool,
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) components: Vec<Component>,
}

impl Frame {
    /// The largest sampling factors.
    pub(super) fn max(&self) -> (usize, usize) {
        let of = |factor: fn(&Component) -> usize| self.components.iter().map(factor).max().unwrap_or(1);
        (of(|it| it.h), of(|it| it.v))
    }

    fn parse(marker: u8, body: &[u8]) -> Result<Self, String> {
        match marker {
            0xc0..=0xc2 => {}
            0xc3 => return Err("a lossless JPEG: save it as PNG or as a baseline JPEG".into()),
            0xc9 | 0xca => {
                return Err("a JPEG with arithmetic coding: save it with Huffman coding (`jpegtran`)".into());
            }
            _ => return Err("a hierarchical or lossless JPEG: save it as PNG or as a baseline JPEG".into()),
        }
        let &[precision, h1, h0, w1, w0, count, ref rest @ ..] = body else {
            return Err("a JPEG with a frame header that is too short".into());
        };
        if precision != 8 {
            return Err(format!("a JPEG of {precision} bits a sample: expected 8"));
        }
        let (width, height) = (u16::from_be_bytes([w1, w0]), u16::from_be_bytes([h1, h0]));
        if width == 0 || height == 0 {
            return Err(format!("a JPEG whose header says {width}x{height} pixels"));
        }
        if !matches!(count, 1 | 3 | 4) || rest.len() != 3 * usize::from(count) {
            return Err(format!("a JPEG of {count} components: expected 1, 3 or 4"));
        }
        let component = |it: &[u8]| Component {
            id: it[0],
            h: usize::from(it[1] >> 4),
            v: usize::from(it[1] & 15),
            table: usize::from(it[2]),
        };
        let components: Vec<Component> = rest.chunks_exact(3).map(component).collect();
        let frame =
            Self { progressive: marker == 0xc2, width: width.into(), height: height.into(), components };
        frame.check()?;
        Ok(frame)
    }

    /// libjpeg scales components by whole factors only.
    fn check(&self) -> Result<(), String> {
        let in_range = |it: &Component| (1..=4).contains(&it.h) && (1..=4).contains(&it.v) && it.table < 4;
        if !self.components.iter().all(in_range) {
            return Err("a JPEG with an impossible sampling factor or quantization table".into());
        }
        let (h, v) = self.max();
        if self.components.iter().all(|it| h % it.h == 0 && v % it.v == 0) {
            return Ok(());
        }
        let factors: Vec<String> = self.components.iter().map(|it| format!("{}x{}", it.h, it.v)).collect();
        Err(format!("a JPEG with fractional sampling factors {}: save it as 4:4:4", factors.join(" ")))
    }
}

/// A scan header: indices of components with their DC and AC tables, the range of coefficients, and
/// the bit positions.
#[derive(Clone, Debug)]
pub(super) struct Scan {
    pub(super) components: Vec<(usize, usize, usize)>,
    pub(super) first: usize,
    pub(super) last: usize,
    pub(super) high: u8,
    pub(super) low: u8,
}

impl Scan {
    pub(super) fn parse(frame: &Frame, body: &[u8]) -> Result<Self, String> {
        let damaged = || "a JPEG with a damaged scan header".to_owned();
        let count = usize::from(*body.first().ok_or_else(damaged)?);
        let fits = (1..=4).contains(&count) && body.len() == 4 + 2 * count;
        let Some((list, &[first, last, bits])) = body[1..].split_last_chunk().filter(|_| fits) else {
            return Err(damaged());
        };
        let mut scan = Self {
            components: Vec::new(),
            first: first.into(),
            last: last.into(),
            high: bits >> 4,
            low: bits & 15,
        };
        for entry in list.chunks_exact(2) {
            let index = frame.components.iter().position(|it| it.id == entry[0]).ok_or_else(damaged)?;
            let (dc, ac) = (usize::from(entry[1] >> 4), usize::from(entry[1] & 15));
            if dc > 3 || ac > 3 {
                return Err(damaged());
            }
            // T.81, B.2.3: in the order of the frame, each once.
            if scan.components.last().is_some_and(|&(last, ..)| last >= index) {
                return Err("a JPEG with a scan whose components are out of order".into());
            }
            scan.components.push((index, dc, ac));
        }
        if !frame.progressive {
            (scan.first, scan.last, scan.high, scan.low) = (0, 63, 0, 0);
        }
        let dc_alone = scan.first != 0 || scan.last == 0;
        let ordered = scan.first <= scan.last && scan.last < 64 && scan.low <= 13;
        let single = scan.first == 0 || count == 1;
        let refines = scan.high == 0 || scan.high == scan.low + 1;
        if frame.progressive && !(dc_alone && ordered && single && refines) {
            return Err(damaged());
        }
        let blocks: usize =
            scan.components.iter().map(|&(i, ..)| frame.components[i].h * frame.components[i].v).sum();
        if count > 1 && blocks > 10 {
            return Err(format!("a JPEG with {blocks} blocks in a unit: expected at most 10"));
        }
        Ok(scan)
    }
}

/// A JPEG file without its pixels.
#[derive(Debug)]
pub(super) struct Headers<'a> {
    pub(super) frame: Frame,
    pub(super) colours: Colours,
    /// The colour transform of Adobe's segment.
    pub(super) adobe: Option<u8>,
    pub(super) segments: Vec<Segment<'a>>,
    pub(super) scans: Vec<Scan>,
    /// Whether bytes lie between segments.
    pub(super) stray: bool,
    /// Whether the end marker is there.
    pub(super) ended: bool,
    pub(super) exif: Option<Vec<u8>>,
    pub(super) xmp: Option<&'a [u8]>,
    /// The ICC profile, or the reason why it cannot be used.
    pub(super) profile: Option<Result<Vec<u8>, String>>,
}

impl<'a> Headers<'a> {
    /// Reads the headers of a file that begins with a start marker.
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, String> {
        let Segments { list: segments, stray, ended } = segments(bytes);
        let mut frames = segments.iter().filter(|it| is_frame(it.marker));
        let frame = frames.next().ok_or("not a whole JPEG: the frame header is missing")?;
        let frame = Frame::parse(frame.marker, frame.body)?;
        if frames.next().is_some() {
            return Err("a JPEG with a second frame header".into());
        }
        let scans = segments.iter().filter(|it| it.marker == SOS).map(|it| Scan::parse(&frame, it.body));
        let scans: Vec<Scan> = scans.collect::<Result<_, _>>()?;
        if scans.is_empty() {
            return Err("not a whole JPEG: the scans are missing".into());
        }
        if scans.len() > MOST_SCANS {
            return Err(format!("a JPEG of {} scans: expected at most {MOST_SCANS}", scans.len()));
        }
        // Later segments do not count: libjpeg decides at the first scan.
        let head = &segments[..segments.iter().position(|it| it.marker == SOS).unwrap_or(0)];
        let app = |number: u8, name: &'static [u8]| {
            let marked = head.iter().filter(move |it| it.marker == 0xe0 + number);
            marked.filter_map(move |it| it.body.strip_prefix(name))
        };
        let exif = app(1, b"Exif\0\0").map(<[u8]>::to_vec).reduce(|all, next| [all, next].concat());
        let adobe = adobe_transform(head);
        Ok(Self {
            colours: colours(&frame, app(0, b"JFIF\0").next().is_some(), adobe),
            adobe,
            exif,
            xmp: app(1, b"http://ns.adobe.com/xap/1.0/\0").next(),
            profile: profile(app(2, b"ICC_PROFILE\0").collect()),
            frame,
            scans,
            stray,
            ended,
            segments,
        })
    }
}

/// How much of a picture the scans of a file hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    Whole,
    /// Some scans that would add detail are missing.
    Coarse,
    /// A component is missing, or has not even its mean values.
    Partial,
}

impl Headers<'_> {
    /// How much of the picture the scans hold, if their data are whole.
    pub(super) fn extent(&self) -> Extent {
        // By component and coefficient: the bits that are still missing.
        let mut missing = vec![[u8::MAX; 64]; self.frame.components.len()];
        for scan in &self.scans {
            for &(index, ..) in &scan.components {
                missing[index][scan.first..=scan.last].fill(scan.low);
            }
        }
        match &missing {
            all if all.iter().any(|component| component[0] != 0) => Extent::Partial,
            all if all.iter().flatten().any(|bits| *bits != 0) => Extent::Coarse,
            _ => Extent::Whole,
        }
    }
}

fn is_frame(marker: u8) -> bool {
    (0xc0..=0xcf).contains(&marker) && !matches!(marker, DHT | 0xc8 | 0xcc)
}

struct Segments<'a> {
    list: Vec<Segment<'a>>,
    stray: bool,
    ended: bool,
}

/// Splits a file into segments. Bytes between them are skipped, as libjpeg does.
fn segments(bytes: &[u8]) -> Segments<'_> {
    let mut found = Segments { list: Vec::new(), stray: false, ended: false };
    let mut at = 2;
    while let Some((marker, start)) = next_marker(bytes, at) {
        found.stray |= start != at + 2;
        at = start;
        match marker {
            EOI => {
                found.ended = true;
                break;
            }
            // Markers without a body.
            0x01 | 0xd0..=0xd8 => continue,
            _ => {}
        }
        let Some(&[high, low]) = bytes.get(at..at + 2).and_then(|it| it.first_chunk()) else { break };
        let end = at + usize::from(u16::from_be_bytes([high, low])).max(2);
        let Some(body) = bytes.get(at + 2..end) else { break };
        let mut data = &bytes[end..end];
        at = end;
        if marker == SOS {
            at = end_of_data(bytes, end);
            data = &bytes[end..at];
        }
        found.list.push(Segment { marker, body, data });
    }
    found
}

/// The next marker at or after a place, and the place behind it.
fn next_marker(bytes: &[u8], mut at: usize) -> Option<(u8, usize)> {
    loop {
        at += bytes.get(at..)?.iter().position(|byte| *byte == 0xff)?;
        at += bytes[at..].iter().take_while(|byte| **byte == 0xff).count();
        match *bytes.get(at)? {
            0 => at += 1,
            marker => return Some((marker, at + 1)),
        }
    }
}

/// The end of the coded data that begin at a place: the next marker that is no restart.
fn end_of_data(bytes: &[u8], mut at: usize) -> usize {
    while let Some(found) = bytes[at..].iter().position(|byte| *byte == 0xff) {
        at += found;
        match bytes.get(at + 1) {
            Some(0 | 0xd0..=0xd7) => at += 2,
            Some(0xff) => at += 1,
            Some(_) => return at,
            None => break,
        }
    }
    bytes.len()
}

/// The transform of Adobe's segment.
fn adobe_transform(head: &[Segment]) -> Option<u8> {
    let marked = head.iter().filter(|it| it.marker == 0xee && it.body.starts_with(b"Adobe"));
    marked.filter_map(|it| it.body.get(11).copied()).next_back()
}

/// The colour space by libjpeg's rule (`default_decompress_parms` in jdapimin.c).
fn colours(frame: &Frame, jfif: bool, adobe: Option<u8>) -> Colours {
    let ids: Vec<u8> = frame.components.iter().map(|it| it.id).collect();
    match (ids.len(), adobe) {
        (1, _) => Colours::Gray,
        (3, _) if jfif => Colours::YCbCr,
        (3, Some(0)) => Colours::Rgb,
        (3, None) if ids == *b"RGB" => Colours::Rgb,
        (3, _) => Colours::YCbCr,
        (_, None | Some(0)) => Colours::Cmyk,
        _ => Colours::Ycck,
    }
}

/// The profile of numbered pieces.
fn profile(mut pieces: Vec<&[u8]>) -> Option<Result<Vec<u8>, String>> {
    if pieces.is_empty() {
        return None;
    }
    pieces.sort_by_key(|piece| piece.first().copied());
    let complete = pieces.iter().zip(1..).all(|(piece, number): (_, usize)| {
        piece.len() >= 2 && usize::from(piece[0]) == number && usize::from(piece[1]) == pieces.len()
    });
    if complete {
        Some(Ok(pieces.iter().flat_map(|piece| &piece[2..]).copied().collect()))
    } else {
        Some(Err("pieces are missing".into()))
    }
}
