"""The files of the comparison: drawn pictures in every form that the decoder must read or refuse.

Each file has a group, a name, its bytes, and what is expected: `READ`, `ALONE`, or the words that t2f's
refusal must contain.
"""

import io
import struct
import zlib
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageCms, PngImagePlugin, TiffImagePlugin

import jpeg
from jpeg import JFIF, Options, Scan, adobe, encode, script, table, ycc

READ = "read"
ALONE = "read, though Pillow refuses it"


@dataclass
class File:
    """A file of the comparison. `lossy` files may differ more; `pixels` are compared instead of Pillow's."""

    group: str
    name: str
    data: bytes
    lossy: bool = False
    expected: str = READ
    pixels: np.ndarray = None


def picture(width, height, seed=0):
    """Smooth shades with an edge and a little texture: `(H, W, 3)` bytes."""
    y, x = np.mgrid[0:height, 0:width].astype(float)
    rng = np.random.default_rng(seed)
    a, b, c = rng.uniform(0.04, 0.12, 3)
    rgb = np.stack([
        128 + 90 * np.sin(a * x + seed) * np.cos(b * y),
        255 * y / max(height - 1, 1),
        200 - 150 * x / max(width - 1, 1) + 30 * np.sin(c * (x + y)),
    ], -1)
    rgb[height // 4:height // 2, width // 4:width // 2] = rng.integers(0, 256, 3)
    return np.clip(rgb + rng.normal(0, 2, rgb.shape), 0, 255).astype(np.uint8)


def gray(width, height, seed=0):
    """One channel of a picture."""
    return picture(width, height, seed)[..., 0]


def saved(image, kind, **options):
    """The bytes that Pillow writes."""
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


# -- JPEG -----------------------------------------------------------------------------------------

SAMPLINGS = {
    "444": [(1, 1)] * 3, "422": [(2, 1), (1, 1), (1, 1)], "440": [(1, 2), (1, 1), (1, 1)],
    "420": [(2, 2), (1, 1), (1, 1)], "411": [(4, 1), (1, 1), (1, 1)], "441": [(1, 4), (1, 1), (1, 1)],
    "410": [(4, 2), (1, 1), (1, 1)], "311": [(3, 1), (1, 1), (1, 1)], "313": [(1, 3), (1, 1), (1, 1)],
    "mixed": [(4, 1), (2, 1), (1, 1)], "tall": [(1, 4), (1, 2), (1, 1)], "crossed": [(2, 2), (2, 1), (1, 2)],
    "large": [(2, 2), (2, 2), (2, 2)], "chroma": [(1, 1), (2, 2), (2, 2)], "blue": [(2, 1), (2, 1), (1, 1)],
}
EACH = [Scan([0]), Scan([1]), Scan([2])]
SIZES = [(64, 64), (61, 47), (17, 33), (8, 8), (3, 5), (1, 1), (100, 7)]


def jpeg_scans():
    """Every sampling with every arrangement of scans."""
    forms = {
        "interleaved": {}, "each": {"scans": EACH}, "cb_first": {"scans": [EACH[1], EACH[2], EACH[0]]},
        "luma_alone": {"scans": [Scan([0]), Scan([1, 2])]}, "chroma_first": {"scans": [Scan([1, 2]), Scan([0])]},
        "progressive": {"progressive": True, "scans": script(3)},
        "spectral": {"progressive": True, "scans": script(3, False)},
        "progressive_each": {"progressive": True, "scans": [Scan([c], *r) for c in (2, 0, 1)
                                                            for r in ((0, 0), (1, 20), (21, 63))]},
    }
    for s, (name, sampling) in enumerate(SAMPLINGS.items()):
        for f, (form, options) in enumerate(forms.items()):
            width, height = SIZES[(s + f) % len(SIZES)] if (s + f) % 3 else (61, 47)
            planes = ycc(picture(width, height, s))
            scans = [scan.components for scan in options.get("scans", [Scan([0, 1, 2])])]
            blocks = max(sum(sampling[c][0] * sampling[c][1] for c in scan) for scan in scans if len(scan) > 1) \
                if any(len(scan) > 1 for scan in scans) else 0
            expected = READ if blocks <= 10 else "blocks in a unit"
            yield File("jpeg scans", f"{name}_{form}", encode(planes, Options(sampling, segments=[JFIF], **options)),
                       True, expected)


def jpeg_sizes():
    """Every small size of the usual samplings."""
    for name in ("444", "422", "440", "420"):
        for width, height in SIZES:
            for progressive in (False, True):
                options = {"progressive": True, "scans": script(3)} if progressive else {}
                planes = ycc(picture(width, height, width))
                yield File("jpeg sizes", f"{name}_{width}x{height}_{'p' if progressive else 'b'}",
                           encode(planes, Options(SAMPLINGS[name], segments=[JFIF], **options)), True)


def jpeg_forms():
    """Tables, restarts, stray bytes, identifiers and colour spaces."""
    rgb = picture(61, 47, 3)
    planes, rgb_planes = ycc(rgb), [rgb[..., i] for i in range(3)]
    usual = {"sampling": SAMPLINGS["420"], "segments": [JFIF]}
    progressive = {"progressive": True, "scans": script(3)}

    def make(name, planes=planes, expected=READ, **options):
        return File("jpeg forms", name, encode(planes, Options(**{**usual, **options})), True, expected)

    for restart in (1, 2, 3, 7, 100):
        yield make(f"restart_{restart}", restart=restart)
        yield make(f"restart_{restart}_each", restart=restart, scans=EACH)
        yield make(f"restart_{restart}_progressive", restart=restart, **progressive)
    for junk in (b"\0", b"junk", b"\xff\0\xff\0x", b"\0" * 300):
        for form, options in (("base", {}), ("each", {"scans": EACH}), ("progressive", progressive)):
            yield make(f"junk_{len(junk)}_{form}", junk=junk, **options)
    for fill in (1, 2, 9):
        yield make(f"fill_{fill}", fill=fill)
        yield make(f"fill_{fill}_each", fill=fill, scans=EACH)
    yield make("extended", extended=True)
    yield make("padding_zero", padding=0)
    yield make("late_tables", late_tables=True)
    for quality in (1, 5, 20, 100):
        tables = [table(quality)] * 3
        yield make(f"wide_{quality}", tables=tables, wide_tables=True)
        yield make(f"wide_{quality}_progressive", tables=tables, wide_tables=True, **progressive)
        yield make(f"quality_{quality}", tables=[np.minimum(t, 255) for t in tables])
    yield make("different_tables", tables=[table(90), table(40), table(70)])
    for ids in ([0, 1, 2], [5, 9, 7], [3, 2, 1], [1, 34, 35], [255, 0, 128]):
        for segments in ([JFIF], [], [adobe(1)]):
            yield make(f"ids_{'_'.join(map(str, ids))}_{len(segments)}{segments[0][0] if segments else ''}",
                       ids=ids, segments=segments)
    for order in ([1, 0, 2], [2, 1, 0], [0, 2, 1]):
        name = f"order_{''.join(map(str, order))}"
        yield make(name, order=order, expected="out of order")
        yield make(f"{name}_444", order=order, sampling=SAMPLINGS["444"], expected="out of order")
    for name, options in (
        ("rgb_adobe", {"segments": [adobe(0)]}), ("rgb_ids", {"ids": [82, 71, 66], "segments": []}),
        ("rgb_adobe_each", {"segments": [adobe(0)], "scans": EACH}),
        ("rgb_adobe_progressive", {"segments": [adobe(0)], **progressive}),
    ):
        yield make(name, rgb_planes, sampling=SAMPLINGS["444"], **options)
    yield make("jfif_and_adobe_rgb", segments=[JFIF, adobe(0)])
    yield make("adobe_2", segments=[adobe(2)])
    yield make("no_segments", segments=[])
    yield make("no_end", end=b"", expected=ALONE)
    yield make("no_end_progressive", end=b"", expected=ALONE, **progressive)
    yield make("no_end_each", end=b"", expected=ALONE, scans=EACH)
    yield make("tail", end=b"\xff\xd9" + b"tail" * 50)
    yield make("second_picture", end=b"\xff\xd9" + encode(planes, Options(**usual)))
    yield make("comment", segments=[JFIF, (0xFE, b"words " * 20), (0xEC, b"Ducky"), (0xED, b"Photoshop 3.0\0")])
    for sampling in ([(1, 1)], [(2, 2)], [(4, 1)], [(1, 3)]):
        for options in ({}, {"progressive": True, "scans": script(1)}):
            yield make(f"gray_{sampling[0][0]}{sampling[0][1]}_{len(options)}", [planes[0]], sampling=sampling,
                       **options)
    for name, sampling in (("fractional", [(3, 2), (2, 1), (1, 1)]), ("fractional_v", [(1, 3), (1, 2), (1, 1)])):
        yield make(name, sampling=sampling, expected="fractional sampling", scans=EACH)
    yield make("two_components", planes[:2], sampling=[(1, 1)] * 2, expected="2 components")


def jpeg_inks():
    """CMYK and YCCK."""
    rgb = picture(61, 47, 5)
    inks = np.asarray(Image.fromarray(rgb).convert("CMYK"))
    black = gray(61, 47, 6) // 3
    cmyk = [inks[..., i] for i in range(3)] + [black]
    inverted = [255 - plane for plane in cmyk]
    # YCCK: the YCbCr form of the complement of inverted CMY.
    ycck = ycc(np.stack([255 - plane for plane in inverted[:3]], -1)) + [inverted[3]]
    four = [Scan([c]) for c in range(4)]
    for name, planes, transform in (("cmyk", inverted, 0), ("ycck", ycck, 2), ("plain", inverted, None)):
        segments = [] if transform is None else [adobe(transform)]
        for form, sampling, options in (
            ("444", [(1, 1)] * 4, {}), ("each", [(1, 1)] * 4, {"scans": four}),
            ("420", [(2, 2), (1, 1), (1, 1), (2, 2)], {}),
            ("progressive", [(2, 1), (1, 1), (1, 1), (2, 1)], {"progressive": True, "scans": script(4)}),
            ("junk", [(1, 1)] * 4, {"junk": b"\0\1"}), ("restart", [(1, 1)] * 4, {"restart": 3}),
        ):
            yield File("jpeg inks", f"{name}_{form}", encode(planes, Options(sampling, segments=segments, **options)),
                       True)


def jpeg_pillow():
    """Files of Pillow's own encoder."""
    for mode in ("RGB", "L", "CMYK"):
        for size in ((64, 64), (99, 55), (250, 250)):
            for quality, progressive in ((30, False), (75, True), (95, False), (100, True)):
                for subsampling in (0, 1, 2) if mode == "RGB" else (0,):
                    image = Image.fromarray(picture(*size, quality)).convert(mode)
                    data = saved(image, "JPEG", quality=quality, progressive=progressive, subsampling=subsampling,
                                 optimize=quality == 75)
                    yield File("jpeg by Pillow", f"{mode}_{size[0]}_{quality}_{subsampling}", data, True)


def jpeg_damage():
    """Files of which pixels are missing, and forms that are refused by name."""
    planes = ycc(picture(61, 47, 8))
    usual = {"sampling": SAMPLINGS["420"], "segments": [JFIF]}
    forms = (("base", {}), ("each", {"scans": EACH}), ("progressive", {"progressive": True, "scans": script(3)}),
             ("restart", {"restart": 2}))
    for form, options in forms:
        data = encode(planes, Options(**usual, **options))
        for share in (0.3, 0.6, 0.9):
            cut = data[:int(len(data) * share)]
            yield File("jpeg damaged", f"{form}_{share}", cut, True, "JPEG")
            if cut[-1] != 0xFF:
                yield File("jpeg damaged", f"{form}_{share}_closed", cut + b"\xff\xd9", True, "JPEG")
    data = encode(planes, Options(**usual))
    start = data.index(b"\xff\xc0")
    for marker, expected in ((0xC3, "lossless"), (0xC9, "arithmetic"), (0xCA, "arithmetic"), (0xC5, "hierarchical")):
        changed = bytearray(data)
        changed[start + 1] = marker
        yield File("jpeg damaged", f"frame_{marker:x}", bytes(changed), True, expected)
    for at, value, expected in ((4, 12, "12 bits"), (5, 0, "0 pixels"), (8, 0, "pixels")):
        changed = bytearray(data)
        changed[start + at] = value
        if at in (5, 8):
            changed[start + at - (at == 8) + (at == 5)] = 0
            changed[start + (6 if at == 5 else 7)] = 0
        yield File("jpeg damaged", f"header_{at}", bytes(changed), True, expected)
    no_scan = data[:data.index(b"\xff\xda")] + b"\xff\xd9"
    yield File("jpeg damaged", "no_scan", no_scan, True, "scans are missing")
    luma = encode(planes, Options(**usual, scans=[Scan([0])]))
    yield File("jpeg damaged", "luma_only", luma, True, "scans are missing")


# -- colours and orientation ----------------------------------------------------------------------

def _xyz(text):
    return b"XYZ \0\0\0\0" + b"".join(struct.pack(">i", round(v * 65536)) for v in text)


def rgb_profile(primaries, gamma):
    """An ICC profile of primaries, as XYZ under D50, and a gamma."""
    white = (0.9642, 1.0, 0.8249)
    tags = {b"wtpt": _xyz(white), b"desc": b"desc" + bytes(4) + struct.pack(">I", 2) + b"p\0" + bytes(78),
            b"cprt": b"text\0\0\0\0none\0"}
    for name, xyz in zip((b"r", b"g", b"b"), primaries):
        tags[name + b"XYZ"] = _xyz(xyz)
        tags[name + b"TRC"] = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + bytes(2)
    return _profile(b"RGB ", tags)


def gray_profile(gamma):
    """An ICC profile of gray values with a gamma."""
    return _profile(b"GRAY", {
        b"wtpt": _xyz((0.9642, 1.0, 0.8249)), b"cprt": b"text\0\0\0\0none\0",
        b"desc": b"desc" + bytes(4) + struct.pack(">I", 2) + b"p\0" + bytes(78),
        b"kTRC": b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + bytes(2)})


def cmyk_profile():
    """An ICC profile of inks: a table of 3 steps an ink, from a simple model, to Lab."""
    rgb_to_xyz = np.array([[0.4361, 0.3851, 0.1431], [0.2225, 0.7169, 0.0606], [0.0139, 0.0971, 0.7141]])
    steps = np.linspace(0, 1, 5)
    c, m, y, k = np.meshgrid(steps, steps, steps, steps, indexing="ij")
    light = np.stack([(1 - 0.9 * c) * (1 - 0.93 * k), (1 - 0.85 * m) * (1 - 0.93 * k),
                      (1 - 0.9 * y) * (1 - 0.93 * k)], -1)
    xyz = light ** 2.0 @ rgb_to_xyz.T / np.array([0.9642, 1.0, 0.8249])
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    lab = np.stack([116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], -1)
    values = np.stack([lab[..., 0] / 100 * 65280, (lab[..., 1] + 128) * 256, (lab[..., 2] + 128) * 256], -1)
    table_ = np.clip(np.rint(values), 0, 65535).astype(">u2").tobytes()
    line = struct.pack(">HH", 0, 65535)
    lut = (b"mft2\0\0\0\0" + bytes([4, 3, 5, 0])
           + b"".join(struct.pack(">i", v) for v in (65536, 0, 0, 0, 65536, 0, 0, 0, 65536))
           + struct.pack(">HH", 2, 2) + line * 4 + table_ + line * 3)
    return _profile(b"CMYK", {b"A2B0": lut, b"wtpt": _xyz((0.9642, 1.0, 0.8249)), b"cprt": b"text\0\0\0\0none\0",
                              b"desc": b"desc" + bytes(4) + struct.pack(">I", 2) + b"p\0" + bytes(78)},
                    b"prtr", b"Lab ")


def _profile(space, tags, kind=b"mntr", connection=b"XYZ "):
    head = b"\0\0\0\0none\x02\x40\0\0" + kind + space + connection + struct.pack(">6H", 2026, 1, 1, 0, 0, 0)
    head += b"acsp" + bytes(28) + _xyz((0.9642, 1.0, 0.8249))[8:] + bytes(48)
    head = head[:128].ljust(128, b"\0")
    at, index, body = 128 + 4 + 12 * len(tags), b"", b""
    for name, data in tags.items():
        data += bytes(-len(data) % 4)
        index += name + struct.pack(">II", at + len(body), len(data))
        body += data
    whole = head + struct.pack(">I", len(tags)) + index + body
    return struct.pack(">I", len(whole)) + whole[4:]


PROFILES = {
    "p3": rgb_profile([(0.5151, 0.2412, -0.0011), (0.2920, 0.6922, 0.0419), (0.1571, 0.0666, 0.7841)], 2.2),
    "adobe": rgb_profile([(0.6097, 0.3111, 0.0195), (0.2053, 0.6257, 0.0609), (0.1492, 0.0632, 0.7446)], 2.2),
    "prophoto": rgb_profile([(0.7977, 0.2880, 0.0), (0.1352, 0.7119, 0.0), (0.0313, 0.0001, 0.8249)], 1.8),
    "rotated": rgb_profile([(0.1431, 0.0606, 0.7141), (0.4361, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971)], 2.2),
    "linear": rgb_profile([(0.4361, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1431, 0.0606, 0.7141)], 1.0),
    "srgb": ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(),
}


def profiles():
    """Pictures with a profile in every format that holds one."""
    image = Image.fromarray(picture(64, 48, 11))
    clear = image.copy()
    clear.putalpha(Image.fromarray(gray(64, 48, 12)))
    for name, profile in PROFILES.items():
        yield File("profiles", f"{name}_jpeg", saved(image, "JPEG", quality=95, icc_profile=profile), True)
        yield File("profiles", f"{name}_long_jpeg",
                   saved(image, "JPEG", quality=95, icc_profile=profile + bytes(70000)), True)
        yield File("profiles", f"{name}_png", saved(image, "PNG", icc_profile=profile))
        yield File("profiles", f"{name}_alpha_png", saved(clear, "PNG", icc_profile=profile))
        yield File("profiles", f"{name}_webp", saved(image, "WEBP", lossless=True, icc_profile=profile))
        yield File("profiles", f"{name}_alpha_webp",
                   saved(clear, "WEBP", lossless=True, exact=True, icc_profile=profile))
        yield File("profiles", f"{name}_tiff", saved(image, "TIFF", icc_profile=profile))
    lone = Image.fromarray(gray(64, 48, 13))
    for gamma in (1.0, 1.8, 2.2):
        profile = gray_profile(gamma)
        yield File("profiles", f"gray_{gamma}_jpeg", saved(lone, "JPEG", quality=95, icc_profile=profile), True)
        yield File("profiles", f"gray_{gamma}_png", saved(lone, "PNG", icc_profile=profile))
    yield File("profiles", "gray_srgb_png", saved(lone, "PNG", icc_profile=PROFILES["srgb"]))
    inks = image.convert("CMYK")
    yield File("profiles", "cmyk_jpeg", saved(inks, "JPEG", quality=95, icc_profile=cmyk_profile()), True)
    yield File("profiles", "cmyk_tiff", saved(inks, "TIFF", icc_profile=cmyk_profile()), True)
    yield File("profiles", "broken_png", saved(image, "PNG", icc_profile=b"no profile"))


def _exif(value, big=False):
    order = ">" if big else "<"
    return (b"MM\0*" if big else b"II*\0") + struct.pack(order + "IHHHIHHI", 8, 1, 0x112, 3, 1, value, 0, 0)


def _xmp(value, element):
    inner = f"><tiff:Orientation>{value}</tiff:Orientation></" if element else f' tiff:Orientation="{value}"></'
    return ('<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
            f'<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/"{inner}rdf:Description>'
            "</rdf:RDF></x:xmpmeta>").encode()


def orientations():
    """Every orientation in EXIF and XMP."""
    image = Image.fromarray(picture(40, 28, 14))
    for value in range(1, 9):
        exif = b"Exif\0\0" + _exif(value, value % 2 == 0)
        xmp = _xmp(value, value % 2 == 0)
        yield File("orientation", f"exif_{value}_jpeg", saved(image, "JPEG", quality=95, exif=exif), True)
        yield File("orientation", f"xmp_{value}_jpeg", saved(image, "JPEG", quality=95, xmp=xmp), True)
        yield File("orientation", f"both_{value}_jpeg",
                   saved(image, "JPEG", quality=95, exif=exif, xmp=_xmp(9 - value, True)), True)
        yield File("orientation", f"exif_{value}_png", saved(image, "PNG", exif=exif))
        info = PngImagePlugin.PngInfo()
        info.add_itxt("XML:com.adobe.xmp", xmp.decode(), zip=value > 4)
        yield File("orientation", f"xmp_{value}_png", saved(image, "PNG", pnginfo=info))
        info = PngImagePlugin.PngInfo()
        raw = exif.hex()
        lines = "\n".join(raw[i:i + 72] for i in range(0, len(raw), 72))
        info.add_text("Raw profile type exif", f"\nexif\n{len(exif):8}\n{lines}\n", zip=value > 4)
        yield File("orientation", f"raw_{value}_png", saved(image, "PNG", pnginfo=info))
        yield File("orientation", f"exif_{value}_webp", saved(image, "WEBP", lossless=True, exif=exif))
        yield File("orientation", f"xmp_{value}_webp", saved(image, "WEBP", lossless=True, xmp=xmp))
        info = TiffImagePlugin.ImageFileDirectory_v2()
        info[0x112] = value
        yield File("orientation", f"tag_{value}_tiff", saved(image, "TIFF", tiffinfo=info))


# -- PNG ------------------------------------------------------------------------------------------

def _chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _png(width, height, bits, colour, lines, chunks=(), interlaced=False):
    head = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, int(interlaced))
    body = b"".join(_chunk(*c) for c in chunks)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + body + _chunk(b"IDAT", zlib.compress(lines)) \
        + _chunk(b"IEND", b"")


def _packed(samples, bits):
    """Lines of samples, `(H, N)`, with a filter byte each."""
    height = samples.shape[0]
    if bits == 16:
        data = samples.astype(">u2").view(np.uint8).reshape(height, -1)
    elif bits == 8:
        data = samples.astype(np.uint8)
    else:
        digits = (samples[..., None] >> np.arange(bits - 1, -1, -1)) & 1
        data = np.packbits(digits.reshape(height, -1).astype(np.uint8), axis=1)
    return b"".join(b"\0" + bytes(line) for line in data)


def _adam7(samples, channels, bits):
    out = b""
    for x0, y0, dx, dy in ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2),
                           (0, 1, 1, 2)):
        part = samples[y0::dy, x0::dx]
        if part.size:
            out += _packed(part.reshape(part.shape[0], -1), bits)
    return out


def _without(samples, key, bits):
    """The pixels of samples, white where they have the transparent colour."""
    pixels = np.rint(samples * (255 / ((1 << bits) - 1))).astype(np.uint8)
    pixels[(samples == key).all(-1)] = 255
    return np.broadcast_to(pixels, samples.shape[:2] + (3,))


def pngs():
    """Every colour type and depth, interlaced or not, with and without transparency."""
    rng = np.random.default_rng(15)
    for colour, channels, depths in ((0, 1, (1, 2, 4, 8, 16)), (2, 3, (8, 16)), (3, 1, (1, 2, 4, 8)),
                                     (4, 2, (8, 16)), (6, 4, (8, 16))):
        for bits in depths:
            for width, height in ((37, 29), (3, 2)):
                base = picture(width, height, bits).astype(int)
                base = np.concatenate([base, rng.integers(0, 256, (height, width, 1))], -1)
                base = base[..., [0, 3]] if colour == 4 else base[..., :channels]
                samples = base * 257 + rng.integers(-100, 100, base.shape) if bits == 16 else base >> (8 - bits)
                samples = np.clip(samples, 0, (1 << bits) - 1)
                palette = [(b"PLTE", bytes(rng.integers(0, 256, 3 << bits, dtype=np.uint8)))] if colour == 3 else []
                forms = {"": palette}
                if colour == 3:
                    clear = bytes(rng.integers(0, 256, 1 << bits, dtype=np.uint8))
                    forms["_clear"] = palette + [(b"tRNS", clear[:len(clear) // 2 + 1])]
                elif colour in (0, 2):
                    key = samples[0, 0]
                    forms["_clear"] = [(b"tRNS", struct.pack(f">{channels}H", *map(int, key)))]
                for form, chunks in forms.items():
                    for interlaced in (False, True):
                        lines = _adam7(samples, channels, bits) if interlaced else _packed(
                            samples.reshape(height, -1), bits)
                        # Pillow compares the transparent colour with scaled or cut samples.
                        own = form and colour in (0, 2) and bits in (2, 4, 16)
                        yield File("png", f"{colour}_{bits}_{width}{form}{'_i' if interlaced else ''}",
                                   _png(width, height, bits, colour, lines, chunks, interlaced),
                                   pixels=_without(samples, key, bits) if own else None)
    rgb = picture(37, 29, 16)
    lines = _packed(rgb.reshape(29, -1).astype(int), 8)
    iccp = (b"iCCP", b"p\0\0" + zlib.compress(PROFILES["rotated"]))
    yield File("png", "two_parts", saved(Image.fromarray(picture(200, 200, 1)), "PNG", compress_level=0))
    yield File("png", "tail", _png(37, 29, 8, 2, lines) + b"tail")
    yield File("png", "gamma", _png(37, 29, 8, 2, lines, [(b"gAMA", struct.pack(">I", 45455))]))
    frames = [Image.fromarray(picture(37, 29, seed)) for seed in (1, 2, 3)]
    yield File("png", "animation", saved(frames[0], "PNG", save_all=True, append_images=frames[1:]))
    yield File("png", "animation_default",
               saved(frames[0], "PNG", save_all=True, append_images=frames[1:], default_image=True))
    whole = _png(37, 29, 8, 2, lines)
    yield File("png", "half", whole[:len(whole) // 2], expected="not a whole PNG")
    yield File("png", "changed", whole[:-40] + bytes([whole[-40] ^ 255]) + whole[-39:], expected="not a whole PNG")
    yield File("png", "srgb_before_profile", _png(37, 29, 8, 2, lines, [(b"sRGB", b"\0"), iccp]))


# -- the other formats ----------------------------------------------------------------------------

def webps():
    """Lossy and lossless, with opacity, and animations."""
    for width, height in ((64, 48), (37, 29), (3, 5), (1, 1), (130, 70)):
        image = Image.fromarray(picture(width, height, width))
        clear = image.copy()
        clear.putalpha(Image.fromarray(gray(width, height, 17)))
        for quality in (20, 75, 100):
            yield File("webp", f"lossy_{width}_{quality}", saved(image, "WEBP", quality=quality), True)
            yield File("webp", f"lossy_alpha_{width}_{quality}", saved(clear, "WEBP", quality=quality), True)
        for method in (0, 4):
            yield File("webp", f"lossless_{width}_{method}", saved(image, "WEBP", lossless=True, method=method))
        yield File("webp", f"lossless_alpha_{width}", saved(clear, "WEBP", lossless=True, exact=True))
    frames = [Image.fromarray(picture(37, 29, seed)) for seed in (1, 2, 3)]
    for lossless in (False, True):
        data = saved(frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=lossless, quality=80)
        yield File("webp", f"animation_{lossless}", data, not lossless)
        whole = saved(frames[0], "WEBP", lossless=lossless)
        yield File("webp", f"half_{lossless}", whole[:len(whole) // 2], expected="not a whole WebP")


def _bmp(width, height, bits, body, palette=b"", compression=0, masks=b"", top_down=False, head=40):
    offset = 14 + head + len(masks) + len(palette)
    info = struct.pack("<IiiHHIIiiII", head, width, -height if top_down else height, 1, bits, compression, len(body),
                       2835, 2835, len(palette) // 4, 0).ljust(head, b"\0")
    return b"BM" + struct.pack("<IHHI", offset + len(body), 0, 0, offset) + info + masks + palette + body


def bmps():
    """1 to 32 bits, from the top or the bottom, with masks or run lengths."""
    for width, height in ((37, 29), (8, 4), (1, 1)):
        rgb = picture(width, height, width)
        for top_down in (False, True):
            order = rgb if top_down else rgb[::-1]
            form = f"{width}_{'top' if top_down else 'bottom'}"
            pad = lambda data: data + bytes(-len(data) % 4)
            for bits in (1, 4, 8):
                index = order[..., 1].astype(int) >> (8 - bits)
                palette = bytes(np.random.default_rng(bits).integers(0, 256, 4 << bits, dtype=np.uint8))
                digits = (index[..., None] >> np.arange(bits - 1, -1, -1)) & 1
                lines = np.packbits(digits.reshape(height, -1).astype(np.uint8), axis=1)
                yield File("bmp", f"{bits}_{form}",
                           _bmp(width, height, bits, b"".join(pad(bytes(r)) for r in lines), palette,
                                top_down=top_down))
            five = order.astype(int) >> 3
            word = (five[..., 0] << 10 | five[..., 1] << 5 | five[..., 2]).astype("<u2")
            body = b"".join(pad(r.tobytes()) for r in word)
            yield File("bmp", f"16_{form}", _bmp(width, height, 16, body, top_down=top_down))
            word = (five[..., 0] << 11 | (order[..., 1].astype(int) >> 2) << 5 | five[..., 2]).astype("<u2")
            masks = struct.pack("<III", 0xF800, 0x7E0, 0x1F)
            yield File("bmp", f"565_{form}", _bmp(width, height, 16, b"".join(pad(r.tobytes()) for r in word),
                                                  compression=3, masks=masks, top_down=top_down))
            body = b"".join(pad(r.tobytes()) for r in order[..., ::-1])
            yield File("bmp", f"24_{form}", _bmp(width, height, 24, body, top_down=top_down))
            four = np.concatenate([order[..., ::-1], np.zeros((height, width, 1), np.uint8)], -1)
            yield File("bmp", f"32_{form}", _bmp(width, height, 32, four.tobytes(), top_down=top_down))
            masks = struct.pack("<III", 0xFF0000, 0xFF00, 0xFF)
            yield File("bmp", f"32_masks_{form}", _bmp(width, height, 32, four.tobytes(), compression=3, masks=masks,
                                                       top_down=top_down))
        index = rgb[::-1, :, 1].astype(int) // 64
        runs = b""
        for row in index:
            for value in row:
                runs += bytes([1, value])
            runs += b"\0\0"
        palette = bytes(range(0, 256, 1)) * 4
        yield File("bmp", f"rle8_{width}", _bmp(width, height, 8, runs + b"\0\1", palette[:1024], compression=1))
    yield File("bmp", "half", _bmp(37, 29, 24, bytes(500)), expected="not a whole BMP")


def gifs():
    """Palettes, transparency, interlacing and animations."""
    for width, height in ((37, 29), (64, 64), (1, 1), (5, 3)):
        image = Image.fromarray(picture(width, height, width))
        for colours in (2, 16, 256):
            small = image.quantize(colours)
            for interlace in (0, 1):
                yield File("gif", f"{width}_{colours}_{interlace}", saved(small, "GIF", interlace=interlace))
        yield File("gif", f"{width}_clear", saved(image.quantize(16), "GIF", transparency=3))
        yield File("gif", f"{width}_gray", saved(image.convert("L"), "GIF"))
    frames = [Image.fromarray(picture(37, 29, seed)).quantize(32) for seed in (1, 2, 3)]
    yield File("gif", "animation", saved(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=50))
    whole = saved(frames[0], "GIF")
    yield File("gif", "half", whole[:len(whole) // 2], expected="not a whole GIF")


def tiffs():
    """Modes, compressions, strips, tiles and planes."""
    image = Image.fromarray(picture(37, 29, 18))
    clear = image.copy()
    clear.putalpha(Image.fromarray(gray(37, 29, 19)))
    modes = {"RGB": image, "L": image.convert("L"), "1": image.convert("1"), "P": image.quantize(64),
             "RGBA": clear, "LA": clear.convert("LA"), "CMYK": image.convert("CMYK")}
    for mode, picture_ in modes.items():
        for compression in (None, "tiff_lzw", "tiff_adobe_deflate", "packbits", "tiff_deflate"):
            yield File("tiff", f"{mode}_{compression}", saved(picture_, "TIFF", compression=compression))
        if mode != "1":
            yield File("tiff", f"{mode}_strips", saved(picture_, "TIFF", compression="tiff_lzw", strip_size=400))
    for mode in ("RGB", "L", "RGBA", "CMYK"):
        info = TiffImagePlugin.ImageFileDirectory_v2()
        info[317] = 2
        yield File("tiff", f"{mode}_predictor", saved(modes[mode], "TIFF", compression="tiff_lzw", tiffinfo=info))
    yield File("tiff", "1_group4", saved(modes["1"], "TIFF", compression="group4"))
    for mode in ("RGB", "L", "CMYK"):
        for size in ((37, 29), (200, 150)):
            large = Image.fromarray(picture(*size, 20)).convert(mode)
            yield File("tiff", f"{mode}_jpeg_{size[0]}", saved(large, "TIFF", compression="jpeg", quality=90), True)
    deep = Image.fromarray((gray(37, 29, 21).astype(np.uint16) * 257))
    yield File("tiff", "I16", saved(deep, "TIFF"))
    yield File("tiff", "two_pages", saved(image, "TIFF", save_all=True, append_images=[clear.convert("RGB")]))
    yield from _own_tiffs()
    whole = saved(image, "TIFF")
    yield File("tiff", "half", whole[:len(whole) // 2], expected="TIFF")
    yield File("tiff", "float", saved(Image.fromarray(gray(9, 9).astype(np.float32)), "TIFF"), expected="TIFF")


def _tiff(width, height, entries, chunks, big_endian=False, tile=None):
    order = ">" if big_endian else "<"
    out = bytearray((b"MM\0*" if big_endian else b"II*\0") + bytes(4))
    offsets = []
    for chunk in chunks:
        offsets.append(len(out))
        out += chunk + bytes(len(chunk) % 2)
    places, counts = (324, 325) if tile else (273, 279)
    entries = {256: (3, [width]), 257: (3, [height]), **entries, places: (4, offsets),
               counts: (4, [len(chunk) for chunk in chunks])}
    if tile:
        entries |= {322: (3, [tile]), 323: (3, [tile])}
    fields = []
    for tag, (kind, values) in sorted(entries.items()):
        data = struct.pack(f"{order}{len(values)}{'H' if kind == 3 else 'I'}", *values)
        if len(data) > 4:
            at = len(out)
            out += data + bytes(len(data) % 2)
            data = struct.pack(order + "I", at)
        fields.append(struct.pack(order + "HHI", tag, kind, len(values)) + data.ljust(4, b"\0"))
    out[4:8] = struct.pack(order + "I", len(out))
    out += struct.pack(order + "H", len(fields)) + b"".join(fields) + bytes(4)
    return bytes(out)


def _own_tiffs():
    """Forms that Pillow does not write: tiles, planes, sixteen bits, white at zero, big-endian."""
    width, height = 37, 29
    rgb = picture(width, height, 22)
    for big in (False, True):
        form = "big" if big else "little"
        kind = ">u2" if big else "<u2"
        base = {258: (3, [8] * 3), 262: (3, [2]), 277: (3, [3])}
        padded = np.pad(rgb, ((0, 3), (0, 11), (0, 0)))
        tiles = [padded[y:y + 16, x:x + 16].tobytes() for y in range(0, 32, 16) for x in range(0, 48, 16)]
        yield File("tiff", f"tiles_{form}", _tiff(width, height, base, tiles, big, 16))
        packed = [zlib.compress(t) for t in tiles]
        yield File("tiff", f"tiles_deflate_{form}", _tiff(width, height, {**base, 259: (3, [8])}, packed, big, 16))
        planes = [rgb[..., i].tobytes() for i in range(3)]
        yield File("tiff", f"planes_{form}", _tiff(width, height, {**base, 284: (3, [2]), 278: (3, [height])}, planes,
                                                   big))
        strips = [rgb[y:y + 5].tobytes() for y in range(0, height, 5)]
        yield File("tiff", f"strips_{form}", _tiff(width, height, {**base, 278: (3, [5])}, strips, big))
        deep = (rgb.astype(int) * 257 - 90).clip(0, 65535).astype(kind)
        yield File("tiff", f"rgb16_{form}", _tiff(width, height, {**base, 258: (3, [16] * 3)}, [deep.tobytes()], big))
        for photometric in (0, 1):
            one = {258: (3, [8]), 262: (3, [photometric]), 277: (3, [1])}
            yield File("tiff", f"gray_{photometric}_{form}", _tiff(width, height, one, [rgb[..., 0].tobytes()], big))
            for bits in (2, 4):
                index = rgb[..., 0].astype(int) >> (8 - bits)
                digits = (index[..., None] >> np.arange(bits - 1, -1, -1)) & 1
                body = np.packbits(digits.reshape(height, -1).astype(np.uint8), axis=1).tobytes()
                yield File("tiff", f"gray_{photometric}_{bits}_{form}",
                           _tiff(width, height, {**one, 258: (3, [bits])}, [body], big))
        alpha = gray(width, height, 23)
        for extra in (0, 1, 2):
            colours = rgb.astype(int) * alpha[..., None] // 255 if extra == 1 else rgb
            body = np.concatenate([colours, alpha[..., None]], -1).astype(np.uint8).tobytes()
            entries = {258: (3, [8] * 4), 262: (3, [2]), 277: (3, [4]), 338: (3, [extra])}
            yield File("tiff", f"extra_{extra}_{form}", _tiff(width, height, entries, [body], big))
        for bits in (1, 2, 4, 8):
            index = rgb[..., 0].astype(int) >> (8 - bits)
            digits = (index[..., None] >> np.arange(bits - 1, -1, -1)) & 1
            body = np.packbits(digits.reshape(height, -1).astype(np.uint8), axis=1).tobytes()
            colours = [int(v) for v in np.random.default_rng(bits).integers(0, 65536, 3 << bits)]
            entries = {258: (3, [bits]), 262: (3, [3]), 277: (3, [1]), 320: (3, colours)}
            yield File("tiff", f"palette_{bits}_{form}", _tiff(width, height, entries, [body], big))


def refused():
    """Formats and files that t2f refuses by name."""
    image = Image.fromarray(picture(32, 32, 24))
    yield File("refused", "avif", b"\0\0\0\x1cftypavif\0\0\0\0avifmif1", expected="an AVIF file")
    yield File("refused", "heic", b"\0\0\0\x18ftypheic\0\0\0\0heic", expected="a HEIC file")
    yield File("refused", "jpeg2000", b"\0\0\0\x0cjP  \r\n\x87\n", expected="a JPEG 2000 file")
    yield File("refused", "svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>", expected="an SVG file")
    yield File("refused", "pdf", saved(image, "PDF"), expected="a PDF file")
    yield File("refused", "ico", saved(image, "ICO"), expected="an icon (ICO) file")
    yield File("refused", "ppm", saved(image, "PPM"), expected="a Netpbm file")
    yield File("refused", "empty", b"", expected="an empty file")
    yield File("refused", "page", b"<!DOCTYPE html><p>404", expected="a web page")
    yield File("refused", "before", b"\0\0" + saved(image, "JPEG"), expected="not an image")


def all_files():
    """Every file, always in the same order."""
    parts = (jpeg_scans, jpeg_sizes, jpeg_forms, jpeg_inks, jpeg_pillow, jpeg_damage, profiles, orientations, pngs,
             webps, bmps, gifs, tiffs, refused)
    return [file for part in parts for file in part()]
