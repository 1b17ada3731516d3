"""Compares the pixels that t2f decodes with Pillow's, file by file.

It generates some 900 files in a temporary folder, decodes them with `decode-picture` (package
`t2f-tests`), and expects of each file one of these:

- both read it, with a mean error below 1 of 255 (3 for lossy formats); Pillow reads files without an
  end marker only when it is told to;
- t2f refuses it with the words that the list in `files.py` gives.

Usage: python compare.py DECODE_PICTURE [--sample N] [--keep FOLDER] [--verbose]

It needs Pillow and numpy: `python -m venv V && V/bin/pip install -r requirements.txt`.
"""

import argparse
import io
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, ImageFile, ImageOps

from files import ALONE, READ, all_files

SRGB = ImageCms.createProfile("sRGB")


def with_pillow(data, truncated):
    """Pillow's picture: upright, in sRGB, on white; `None` where Pillow refuses the file."""
    ImageFile.LOAD_TRUNCATED_IMAGES = truncated
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = Image.open(io.BytesIO(data))
            image.load()
    except Exception:  # Pillow raises many kinds of errors.
        return None
    profile = image.info.get("icc_profile")
    # The PNG specification puts sRGB before iCCP; Pillow has both.
    if "srgb" in image.info:
        profile = None
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I;16"):
        # `convert` would cut values instead of scaling them.
        image = Image.fromarray(((np.asarray(image).astype(int) + 128) // 257).astype(np.uint8))
    if image.mode in ("P", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
    alpha = image.getchannel("A") if image.mode in ("RGBA", "LA") else None
    if image.mode == "LA":
        image = image.convert("L")
    elif image.mode not in ("L", "CMYK", "RGB"):
        image = image.convert("RGB")
    if profile:
        image = converted(image, profile)
    image = image.convert("RGB")
    if alpha is not None:
        white = Image.new("RGB", image.size, (255, 255, 255))
        image = Image.composite(image, white, alpha)
    return np.asarray(image)


def converted(image, profile):
    """The picture in sRGB, or as it is where the profile cannot be used."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if image.mode == "L" and source.profile.xcolor_space.strip() == "RGB":
            image = image.convert("RGB")
        return ImageCms.profileToProfile(image, source, SRGB, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError):
        return image


def with_t2f(program, paths):
    """t2f's pictures, or the reasons why it refuses them."""
    out = subprocess.run([program, *paths], check=True, stdout=subprocess.PIPE).stdout
    results, at = [], 0
    for _ in paths:
        end = out.index(b"\n", at)
        word, rest = out[at:end].decode().split(" ", 1)
        at = end + 1
        if word == "error":
            results.append(rest)
            continue
        width, height = map(int, rest.split())
        size = 3 * width * height
        results.append(np.frombuffer(out[at:at + size], np.uint8).reshape(height, width, 3))
        at += size
    assert at == len(out), "the program wrote more than it said"
    return results


def fault(file, pillow, ours):
    """The mean error, and why the file does not pass, if it does not."""
    if isinstance(ours, str):
        if file.expected in (READ, ALONE):
            return None, f"t2f refuses it: {ours}"
        return None, None if file.expected in ours else f"refused without {file.expected!r}: {ours}"
    if file.expected not in (READ, ALONE):
        return None, f"read, expected a refusal with {file.expected!r}"
    if pillow is None:
        return None, "t2f reads it, Pillow refuses it"
    if pillow.shape != ours.shape:
        return None, f"{ours.shape[1]}x{ours.shape[0]} pixels, Pillow has {pillow.shape[1]}x{pillow.shape[0]}"
    error = float(np.abs(pillow.astype(int) - ours).mean())
    limit = 3 if file.lossy else 1
    return error, None if error < limit else f"mean error {error:.2f}, expected below {limit}"


def main():
    """Prints a table of errors by group, and the files that do not pass."""
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--sample", type=int, help="every so many files that about N remain")
    parser.add_argument("--keep", type=Path, help="write the files there and keep them")
    parser.add_argument("--verbose", action="store_true")
    options = parser.parse_args()
    files = all_files()
    if options.sample:
        # A stride that divides no number of variants.
        files = files[3 :: max(1, len(files) // options.sample) | 1]
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        paths = []
        for number, file in enumerate(files):
            path = folder / f"{number:04}-{file.group}-{file.name}".replace(" ", "_")
            path.write_bytes(file.data)
            paths.append(path)
        ours = with_t2f(options.program, paths)
    groups, faults = {}, []
    for file, result in zip(files, ours):
        expected = file.pixels
        if expected is None:
            expected = with_pillow(file.data, file.expected == ALONE)
        error, reason = fault(file, expected, result)
        errors = groups.setdefault(file.group, [])
        errors.append(error)
        if reason:
            faults.append(f"{file.group}/{file.name}: {reason}")
        elif options.verbose:
            print(f"{file.group}/{file.name}: {result if error is None else f'{error:.3f}'}")
    print(f"{'group':16} files compared refused  mean error  largest")
    for group, errors in groups.items():
        known = [error for error in errors if error is not None]
        mean, largest = (np.mean(known), max(known)) if known else (0, 0)
        print(f"{group:16} {len(errors):5} {len(known):8} {len(errors) - len(known):7} {mean:11.3f} {largest:8.3f}")
    print(f"{'all':16} {len(files):5}")
    for line in faults:
        print(f"FAULT {line}", file=sys.stderr)
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
