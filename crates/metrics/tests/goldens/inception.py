"""Goldens of the Inception network: the references' own code on weights and pictures by formula.

pip install torch==2.13.0 torchvision pillow numpy pytorch-fid==0.3.0 torch-fidelity==0.4.0 clean-fid==0.1.35
python inception.py        # writes inception.safetensors, inception.names, legacy.pth and zip.pth beside itself
"""

import json
import pathlib
import struct
import tempfile

import numpy as np
import torch
from cleanfid.resize import build_resizer
from pytorch_fid import inception as pytorch_fid
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

HERE = pathlib.Path(__file__).parent


def numbers(name, count):
    """Numbers in [0, 1) from the tensor's name and the element's position."""
    seed = 0x811C9DC5
    for byte in name.encode():
        seed = ((seed ^ byte) * 0x01000193) & 0xFFFFFFFF
    z = (np.arange(count, dtype=np.uint64) * 0x9E3779B9 + seed).astype(np.uint32)
    z = (z ^ (z >> np.uint32(16))) * np.uint32(0x7FEB352D)
    z = (z ^ (z >> np.uint32(15))) * np.uint32(0x846CA68B)
    z = z ^ (z >> np.uint32(16))
    return (z >> np.uint32(8)).astype(np.float32) * np.float32(2.0**-24)


def weight(name, tensor):
    u = numbers(name, tensor.numel())
    if name.endswith(("bn.weight", "running_var")):
        values = np.float32(0.8) + np.float32(0.4) * u
    elif tensor.dim() == 1:
        values = np.float32(0.4) * u - np.float32(0.2)
    else:
        bound = np.float32(np.sqrt(6.0 / (tensor.numel() / tensor.shape[0])))
        values = (np.float32(2.0) * u - np.float32(1.0)) * bound
    return torch.from_numpy(values.astype(np.float32)).reshape(tensor.shape)


def picture(index, side=40):
    y, x, c = np.meshgrid(np.arange(side), np.arange(side), np.arange(3), indexing="ij")
    return ((x * 5 + y * (3 + index) + c * 60 + (x * y) % 17 * 6 + index * 90) % 256).astype(np.uint8)


def write(path, arrays):
    header, data = {}, b""
    for name, array in sorted(arrays.items()):
        raw = np.ascontiguousarray(array, dtype=np.float32).tobytes()
        header[name] = {"dtype": "F32", "shape": list(array.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    head = json.dumps(header).encode()
    head += b" " * (-len(head) % 8)
    path.write_bytes(struct.pack("<Q", len(head)) + head + data)


def main():
    # The constructors load weights; give them those of the formula.
    made = {}

    def formula(*_, **__):
        return made

    shell = pytorch_fid._inception_v3(num_classes=1008, aux_logits=False, weights=None)
    made.update({name: weight(name, t) for name, t in shell.state_dict().items() if "num_batches" not in name})
    made.update({name: t for name, t in shell.state_dict().items() if "num_batches" in name})
    names = [f"{name} {'x'.join(map(str, t.shape))}" for name, t in made.items() if t.dim()]
    (HERE / "inception.names").write_text("\n".join(names) + "\n")
    pytorch_fid.load_state_dict_from_url = formula
    first = pytorch_fid.InceptionV3().eval()
    with tempfile.NamedTemporaryFile(suffix=".pth") as file:
        torch.save(made, file.name)
        extractor = FeatureExtractorInceptionV3("i", ["2048", "logits_unbiased"], feature_extractor_weights_path=file.name)

    pictures = np.stack([picture(0), picture(1)])
    planes = torch.from_numpy(pictures.transpose(0, 3, 1, 2).copy())
    clean = np.stack([build_resizer("clean")(p) for p in pictures]).transpose(0, 3, 1, 2)
    with torch.no_grad():
        tensorflow, logits = extractor(planes)
        torch_like = first(planes.float() / 255)[0].flatten(1)
        first.resize_input = first.normalize_input = False
        clean_like = first((torch.from_numpy(clean.copy()) - 128) / 128)[0].flatten(1)
    write(HERE / "inception.safetensors", {
        "tensorflow": tensorflow.numpy(),
        "pytorch": torch_like[:1].numpy(),
        "clean": clean_like[:1].numpy(),
        "probabilities": torch.softmax(logits, 1)[:1].numpy(),
        # One row and one column of the resized picture.
        "clean_picture": np.stack([clean[0, 1, 150, :], clean[0, 1, :, 37]]),
    })
    for name, t in [("tensorflow", tensorflow), ("pytorch", torch_like), ("clean", clean_like)]:
        print(name, t.shape, t.mean().item(), t.std().item(), (t[0] - t[1]).abs().mean().item())

    small = {"b.weight": torch.arange(6.0).reshape(2, 3), "a.bias": torch.tensor([1.5, -2.0]), "n": torch.tensor(7)}
    small["half"] = torch.tensor([0.5, 0.25]).half()
    torch.save(small, HERE / "zip.pth")
    torch.save(small, HERE / "legacy.pth", _use_new_zipfile_serialization=False)


main()
