"""A JPEG encoder for files that Pillow cannot write.

It writes baseline, extended sequential and progressive files with any sampling factors, component
order, scan script, restart interval and quantization tables, and stray bytes between segments.
"""

import heapq
import struct
from dataclasses import dataclass, field

import numpy as np

ZIGZAG = sorted(
    ((y, x) for y in range(8) for x in range(8)),
    key=lambda p: (p[0] + p[1], p[1] if (p[0] + p[1]) % 2 == 0 else p[0]),
)

_BASIS = np.array(
    [[np.cos((2 * x + 1) * u * np.pi / 16) * (np.sqrt(1 / 8) if u == 0 else 0.5) for x in range(8)]
     for u in range(8)]
)

LUMA = np.array([
    [16, 11, 10, 16, 24, 40, 51, 61], [12, 12, 14, 19, 26, 58, 60, 55],
    [14, 13, 16, 24, 40, 57, 69, 56], [14, 17, 22, 29, 51, 87, 80, 62],
    [18, 22, 37, 56, 68, 109, 103, 77], [24, 35, 55, 64, 81, 104, 113, 92],
    [49, 64, 78, 87, 103, 121, 120, 101], [72, 92, 95, 98, 112, 100, 103, 99],
])


def table(quality):
    """A quantization table of libjpeg's quality scale."""
    scale = 5000 / quality if quality < 50 else 200 - 2 * quality
    return np.clip((LUMA * scale + 50) // 100, 1, 65535).astype(int)


@dataclass
class Scan:
    """Components by index, the first and last coefficient, and both bit positions."""

    components: list
    first: int = 0
    last: int = 63
    high: int = 0
    low: int = 0


@dataclass
class Options:
    """All that a file may vary in; `None` is the usual choice."""

    sampling: list
    ids: list = None
    tables: list = None  # a quantization table for each component
    scans: list = None
    progressive: bool = False
    extended: bool = False
    restart: int = 0
    segments: list = field(default_factory=list)  # (marker, bytes) after SOI
    junk: bytes = b""  # before each segment except the first
    fill: int = 0  # 0xFF bytes before each marker
    wide_tables: bool = False
    end: bytes = b"\xff\xd9"
    order: list = None  # the order of components in a scan's header
    late_tables: bool = False  # quantization tables after the frame header
    padding: int = 1  # the bit that fills the last byte


JFIF = (0xE0, b"JFIF\0\1\1\0\0\1\0\1\0\0")


def adobe(transform):
    """Adobe's segment."""
    return (0xEE, b"Adobe\0\x64\0\0\0\0" + bytes([transform]))


def ycc(rgb):
    """RGB to YCbCr planes."""
    r, g, b = (rgb[..., i].astype(float) for i in range(3))
    return [
        0.299 * r + 0.587 * g + 0.114 * b,
        128 - 0.168736 * r - 0.331264 * g + 0.5 * b,
        128 + 0.5 * r - 0.418688 * g - 0.081312 * b,
    ]


def _blocks(plane, h, v, sampling, quantization):
    """The quantized coefficients of a component, padded to whole units, and its own numbers of blocks."""
    height, width = plane.shape
    hmax, vmax = max(s[0] for s in sampling), max(s[1] for s in sampling)
    units_x, units_y = -(-width // (8 * hmax)), -(-height // (8 * vmax))
    padded = np.pad(plane, ((0, units_y * 8 * vmax - height), (0, units_x * 8 * hmax - width)), mode="edge")
    # Nearest samples where the ratio is no whole number, boxes where it is.
    rows, columns = units_y * 8 * v, units_x * 8 * h
    if hmax % h == 0 and vmax % v == 0:
        small = padded.reshape(rows, vmax // v, columns, hmax // h).mean(axis=(1, 3))
    else:
        small = padded[np.ix_(np.arange(rows) * vmax // v, np.arange(columns) * hmax // h)]
    blocks = (small - 128).reshape(rows // 8, 8, columns // 8, 8).swapaxes(1, 2)
    values = np.einsum("ux,abxy,vy->abuv", _BASIS, blocks, _BASIS) / quantization
    values = np.rint(values).astype(int)
    flat = np.stack([values[..., y, x] for y, x in ZIGZAG], axis=-1)
    own = (-(-(-(-height * v // vmax)) // 8), -(-(-(-width * h // hmax)) // 8))
    return np.clip(flat, -1023, 1023), own


def _size(value):
    return int(abs(value)).bit_length()


def _bits(value, size):
    return value if value >= 0 else value + (1 << size) - 1


class _Symbols:
    """The symbols of a scan: (table, symbol, extra bits, their number); `None` is a restart."""

    def __init__(self):
        self.all = []

    def add(self, key, symbol, bits=0, count=0):
        self.all.append((key, symbol, bits, count))

    def raw(self, bits, count):
        self.all.append((None, 0, bits, count))


def _sequential(symbols, block, key, previous):
    diff = int(block[0]) - previous
    size = _size(diff)
    symbols.add((0, key), size, _bits(diff, size), size)
    run = 0
    for k in range(1, 64):
        value = int(block[k])
        if value == 0:
            run += 1
            continue
        while run > 15:
            symbols.add((1, key), 0xF0)
            run -= 16
        size = _size(value)
        symbols.add((1, key), run << 4 | size, _bits(value, size), size)
        run = 0
    if run:
        symbols.add((1, key), 0)
    return int(block[0])


class _Progressive:
    """The state of a progressive scan of AC coefficients."""

    def __init__(self, symbols, scan, key):
        self.symbols, self.scan, self.key = symbols, scan, (1, key)
        self.run, self.pending = 0, []

    def flush(self):
        if self.run:
            size = self.run.bit_length() - 1
            self.symbols.add(self.key, size << 4, self.run - (1 << size), size)
            self.run = 0
        for bit in self.pending:
            self.symbols.raw(bit, 1)
        self.pending = []

    def first(self, block):
        run = 0
        for k in range(self.scan.first, self.scan.last + 1):
            value = int(block[k])
            value = (abs(value) >> self.scan.low) * (1 if value > 0 else -1)
            if value == 0:
                run += 1
                continue
            self.flush()
            while run > 15:
                self.symbols.add(self.key, 0xF0)
                run -= 16
            size = _size(value)
            self.symbols.add(self.key, run << 4 | size, _bits(value, size), size)
            run = 0
        if run:
            self.run += 1
            if self.run == 0x7FFF:
                self.flush()

    def refine(self, block):
        low = self.scan.low
        values = [abs(int(block[k])) >> low for k in range(64)]
        last_new = max((k for k in range(self.scan.first, self.scan.last + 1) if values[k] == 1), default=0)
        run, bits = 0, []
        for k in range(self.scan.first, self.scan.last + 1):
            value = values[k]
            if value == 0:
                run += 1
                continue
            while run > 15 and k <= last_new:
                self.flush()
                self.symbols.add(self.key, 0xF0)
                for bit in bits:
                    self.symbols.raw(bit, 1)
                run, bits = run - 16, []
            if value > 1:
                bits.append(value & 1)
                continue
            self.flush()
            self.symbols.add(self.key, run << 4 | 1, int(block[k] > 0), 1)
            for bit in bits:
                self.symbols.raw(bit, 1)
            run, bits = 0, []
        if run or bits:
            self.run += 1
            self.pending += bits
            if self.run == 0x7FFF or len(self.pending) > 900:
                self.flush()


def _lengths(counts):
    """Code lengths of at most 16 bits; one code of ones stays free (JPEG, annex K.2)."""
    heap = [(count, i, (symbol,)) for i, (symbol, count) in enumerate(sorted(counts.items()))]
    heap.append((0, len(heap), (None,)))
    heapq.heapify(heap)
    lengths = {symbol: 0 for _, _, group in heap for symbol in group}
    serial = len(heap)
    while len(heap) > 1:
        a, b = heapq.heappop(heap), heapq.heappop(heap)
        for symbol in a[2] + b[2]:
            lengths[symbol] += 1
        heapq.heappush(heap, (a[0] + b[0], serial, a[2] + b[2]))
        serial += 1
    number = [0] * 64
    for length in lengths.values():
        number[length] += 1
    for i in range(63, 16, -1):
        while number[i]:
            j = i - 2
            while not number[j]:
                j -= 1
            number[i] -= 2
            number[i - 1] += 1
            number[j + 1] += 2
            number[j] -= 1
    longest = max(i for i in range(1, 17) if number[i])
    number[longest] -= 1
    order = sorted(counts, key=lambda symbol: (lengths[symbol], symbol))
    return number[1:17], order


def _huffman(counts):
    number, order = _lengths(counts)
    codes, code, at = {}, 0, 0
    for length, many in enumerate(number, 1):
        for _ in range(many):
            codes[order[at]] = (code, length)
            code, at = code + 1, at + 1
        code <<= 1
    return bytes(number) + bytes(order), codes


def _pack(parts, codes, padding):
    out, value, count = bytearray(), 0, 0

    def finish():
        nonlocal value, count
        missing = -count % 8
        value = value << missing | ((1 << missing) - 1 if padding else 0)
        data = value.to_bytes((count + missing) // 8, "big")
        out.extend(data.replace(b"\xff", b"\xff\0"))
        value = count = 0

    for part in parts:
        if isinstance(part, int):
            finish()
            out.extend(bytes([0xFF, 0xD0 + part]))
            continue
        key, symbol, bits, size = part
        if key is not None:
            code, length = codes[key][symbol]
            value, count = value << length | code, count + length
        value, count = value << size | bits, count + size
        if count > 4096 and count % 8 == 0:
            finish()
    finish()
    return bytes(out)


def _scan_data(scan, options, blocks):
    """The symbols of a scan with restarts as numbers."""
    symbols = _Symbols()
    sampling = options.sampling
    single = len(scan.components) == 1
    previous = [0] * len(sampling)
    key = {c: min(c, 1) for c in scan.components}
    state = None
    if options.progressive and scan.first > 0:
        state = _Progressive(symbols, scan, key[scan.components[0]])
    if single:
        c = scan.components[0]
        rows, columns = blocks[c][1]
        units = [[(c, y, x)] for y in range(rows) for x in range(columns)]
    else:
        order = options.order or scan.components
        rows = blocks[order[0]][0].shape[0] // sampling[order[0]][1]
        columns = blocks[order[0]][0].shape[1] // sampling[order[0]][0]
        units = [
            [(c, uy * sampling[c][1] + y, ux * sampling[c][0] + x)
             for c in order for y in range(sampling[c][1]) for x in range(sampling[c][0])]
            for uy in range(rows) for ux in range(columns)
        ]
    for number, unit in enumerate(units):
        if options.restart and number and number % options.restart == 0:
            if state:
                state.flush()
            symbols.all.append((number // options.restart - 1) % 8)
            previous = [0] * len(sampling)
        for c, y, x in unit:
            block = blocks[c][0][y, x]
            if not options.progressive:
                previous[c] = _sequential(symbols, block, key[c], previous[c])
            elif scan.first == 0 and scan.high == 0:
                value = int(block[0]) >> scan.low
                size = _size(value - previous[c])
                symbols.add((0, key[c]), size, _bits(value - previous[c], size), size)
                previous[c] = value
            elif scan.first == 0:
                symbols.raw(int(block[0]) >> scan.low & 1, 1)
            elif scan.high == 0:
                state.first(block)
            else:
                state.refine(block)
    if state:
        state.flush()
    return symbols.all, key


def encode(planes, options):
    """The planes, `(H, W)` in [0, 255], as a JPEG file."""
    number = len(planes)
    ids = options.ids or list(range(1, number + 1))
    tables = options.tables or [table(92)] * number
    height, width = planes[0].shape
    blocks = [
        _blocks(np.asarray(plane, float), *options.sampling[c], options.sampling, tables[c])
        for c, plane in enumerate(planes)
    ]
    out = bytearray(b"\xff\xd8")

    def segment(marker, data):
        # Pillow knows a file by its first three bytes.
        out.extend(options.junk if len(out) > 2 else b"")
        out.extend(b"\xff" * options.fill + bytes([0xFF, marker]) + struct.pack(">H", len(data) + 2) + data)

    def quantization():
        for c in range(number):
            values = [int(tables[c][y, x]) for y, x in ZIGZAG]
            wide = options.wide_tables or max(values) > 255
            data = struct.pack(">64H", *values) if wide else bytes(values)
            segment(0xDB, bytes([wide << 4 | c]) + data)

    for marker, data in options.segments:
        segment(marker, data)
    if not options.late_tables:
        quantization()
    start = 0xC2 if options.progressive else 0xC1 if options.extended or options.wide_tables else 0xC0
    frame = struct.pack(">BHHB", 8, height, width, number)
    for c in range(number):
        frame += bytes([ids[c], options.sampling[c][0] << 4 | options.sampling[c][1], c])
    segment(start, frame)
    if options.late_tables:
        quantization()
    if options.restart:
        segment(0xDD, struct.pack(">H", options.restart))
    scans = options.scans or [Scan(list(range(number)))]
    for scan in scans:
        parts, key = _scan_data(scan, options, blocks)
        counts = {}
        for part in parts:
            if not isinstance(part, int) and part[0] is not None:
                symbols = counts.setdefault(part[0], {})
                symbols[part[1]] = symbols.get(part[1], 0) + 1
        codes = {}
        for name in sorted(counts):
            data, codes[name] = _huffman(counts[name])
            segment(0xC4, bytes([name[0] << 4 | name[1]]) + data)
        order = options.order if options.order and len(scan.components) > 1 else scan.components
        header = bytes([len(order)]) + b"".join(bytes([ids[c], key[c] << 4 | key[c]]) for c in order)
        segment(0xDA, header + bytes([scan.first, scan.last, scan.high << 4 | scan.low]))
        out.extend(_pack(parts, codes, options.padding))
    out.extend(options.junk if options.end else b"")
    out.extend(options.end)
    return bytes(out)


def script(components, successive=True):
    """A progressive scan script like libjpeg's, for any number of components."""
    every = list(range(components))
    if not successive:
        return [Scan(every, 0, 0)] + [Scan([c], 1, 5) for c in every] + [Scan([c], 6, 63) for c in every]
    return (
        [Scan(every, 0, 0, 0, 1), Scan([0], 1, 5, 0, 2)]
        + [Scan([c], 1, 63, 0, 1) for c in every[1:]]
        + [Scan([0], 6, 63, 0, 2), Scan([0], 1, 63, 2, 1), Scan(every, 0, 0, 1, 0)]
        + [Scan([c], 1, 63, 1, 0) for c in every[::-1]]
    )
