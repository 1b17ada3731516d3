"""From a caption to PNG files in PyTorch: text encoder, pipeline, files."""

import os
import struct
import zlib

import torch
from torch import nn

from network import Pipeline

WORDS = 300
CAPTION = "a bald man with a beard and round glasses"


class Model(nn.Module):
    """A bidirectional LSTM whose states' maximum is the embedding, and the pipeline."""

    def __init__(self, shape):
        super().__init__()
        self.shape = shape
        self.words = nn.Embedding(WORDS, 128)
        self.lstm = nn.LSTM(128, shape["embedding_size"] // 2, bidirectional=True, batch_first=True)
        self.pipeline = Pipeline(shape)

    def forward(self, ids, noise):
        embedding = self.lstm(self.words(ids))[0].max(1).values
        return self.pipeline(embedding, noise, self.shape["level"], 1.0)[0]


def save(shape, file):
    torch.save({"shape": shape, "state": Model(shape).state_dict()}, file)


def load(file):
    saved = torch.load(file, weights_only=True)
    with torch.device("meta"):
        model = Model(saved["shape"])
    model.load_state_dict(saved["state"], assign=True)
    return model.eval()


class Drawing:
    """Draws `count` faces of one caption at once."""

    def __init__(self, model, variant, count):
        kind, _, layout = variant.partition("-")
        if layout == "cl":
            model = model.to(memory_format=torch.channels_last)
        self.model = torch.compile(model) if kind == "compile" else model
        self.size = model.shape["latent_size"]
        self.ids = torch.tensor([[zlib.crc32(word.encode()) % WORDS for word in CAPTION.split()]] * count)

    @torch.inference_mode()
    def __call__(self):
        images = self.model(self.ids, torch.randn(len(self.ids), self.size)).clamp(-1, 1)
        return (images * 127.5 + 127.5).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous()


def write(image, file):
    height, width, _ = image.shape
    rows = b"".join(b"\0" + row.numpy().tobytes() for row in image)

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    with open(file, "wb") as out:
        out.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header))
        out.write(chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def generate(file, count, folder):
    os.makedirs(folder, exist_ok=True)
    for i, image in enumerate(Drawing(load(file), "eager", count)()):
        write(image, os.path.join(folder, f"{i:04}.png"))
