"""Batches of image files: `torch.utils.data.DataLoader` over Pillow, or over decoded pixels in a memory map."""

import os
import tempfile

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset, RandomSampler


def square(path, side):
    """The central square of an image at `side` pixels, resampled with Pillow's Lanczos filter."""
    with Image.open(path) as image:
        image = image.convert("RGB")
        kept = min(image.size)
        left, top = (image.width - kept) / 2, (image.height - kept) / 2
        box = (left, top, left + kept, top + kept)
        return np.asarray(image.resize((side, side), Image.Resampling.LANCZOS, box))


class Files(Dataset):
    """Every access reads, decodes and resizes a file."""

    def __init__(self, paths, side):
        self.paths, self.side = paths, side

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, index):
        pixels = torch.from_numpy(square(self.paths[index], self.side).copy())
        return pixels.permute(2, 0, 1).float().div_(127.5).sub_(1)


class Pixels(Dataset):
    """Every access reads decoded pixels from a file that is mapped into memory."""

    def __init__(self, paths, side):
        self.file = tempfile.NamedTemporaryFile()
        shape = (len(paths), side, side, 3)
        pixels = np.memmap(self.file.name, np.uint8, "w+", shape=shape)
        loader = DataLoader(Squares(paths, side), batch_size=None, num_workers=os.cpu_count())
        for index, image in enumerate(loader):
            pixels[index] = image
        pixels.flush()
        self.pixels = np.memmap(self.file.name, np.uint8, "r", shape=shape)

    def __len__(self):
        return len(self.pixels)

    def __getitem__(self, index):
        return torch.from_numpy(self.pixels[index].copy()).permute(2, 0, 1).float().div_(127.5).sub_(1)


class Squares(Files):
    def __getitem__(self, index):
        return torch.from_numpy(square(self.paths[index], self.side).copy())


class Loading:
    """`images` images in shuffled batches, with `threads` worker processes."""

    def __init__(self, job, threads):
        with open(job["list"]) as file:
            paths = file.read().splitlines()
        kind = {"files": Files, "cached": Pixels}[job["from"]]
        torch.set_num_threads(1)
        self.loader = DataLoader(
            data := kind(paths, job["resolution"]),
            batch_size=job["batch"],
            sampler=RandomSampler(data, replacement=True, num_samples=1 << 40),
            num_workers=threads,
            prefetch_factor=2,
        )
        self.batches, self.count = iter(self.loader), job["images"] // job["batch"]

    def __call__(self):
        for _ in range(self.count):
            next(self.batches)
