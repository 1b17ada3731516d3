"""The PyTorch side of `t2f bench --peer`. Needs torch; `load` also needs Pillow and numpy.

    python twin.py parity '{"channels": [8, 8], …, "mix": [0.5, …]}'
        losses, norms of their gradients and parameter counts on weights that `formula` gives,
        as one line of JSON
    python twin.py golden golden.json
        computes the parity of each case in the file anew, and writes it back
    python twin.py step VARIANT '{"channels": [8, 8], …}'
        answers each line N on standard input with the times of N training steps and the CPU
        time of one, in ms, and the process's peak memory in MB, as one line of JSON
    python twin.py variants
        their names, and PyTorch's version
    python twin.py model '{"channels": [8, 8], …}' FILE
        writes an untrained model
    python twin.py generate FILE COUNT FOLDER
        draws COUNT faces from it into PNGs
    python twin.py draw eager|eager-cl|compile|compile-cl FILE COUNT
        as `step`, with the times of drawing COUNT faces
    python twin.py load '{"list": FILE, "from": "files" or "cached", "resolution": 64, "batch": 32, "images": 2048}'
        as `step`, with the times of loading so many images of the files in a list
"""

import json
import os
import resource
import sys
import time

import torch

import drawing
from network import Discriminator, Pipeline, load
from training import BF16_VARIANTS, VARIANTS, Losses, Training, on_device


def formula(name, shape):
    """Numbers that both sides can compute: splitmix64 from the FNV-1a of the name, as uniform
    numbers of variance 1 (biases: a tenth of that), in the order of the project's layout."""
    state = 0xCBF29CE484222325
    for byte in name.encode():
        state = (state ^ byte) * 0x100000001B3 % 2**64

    def signed(x):  # int64 arithmetic wraps as unsigned does
        return x - 2**64 if x >= 2**63 else x

    def shifted(z, by):  # a logical shift to the right
        return (z >> by) & ((1 << (64 - by)) - 1)

    count = 1
    for size in shape:
        count *= size
    z = torch.arange(1, count + 1, dtype=torch.int64) * signed(0x9E3779B97F4A7C15) + signed(state)
    z = (z ^ shifted(z, 30)) * signed(0xBF58476D1CE4E5B9)
    z = (z ^ shifted(z, 27)) * signed(0x94D049BB133111EB)
    unit = shifted(z ^ shifted(z, 31), 40).to(torch.float64) / 2**24
    scale = 3**0.5 * (0.1 if name.endswith("bias") else 1.0)
    return ((2 * unit - 1) * scale).to(torch.float32).reshape(tuple(shape))


def parity(y):
    on_device(y)
    with torch.autocast(y.get("device", "cpu").split(":")[0], dtype=torch.bfloat16, enabled=y.get("precision") == "bf16"):
        return losses_and_gradients(y)


def losses_and_gradients(y):
    pipeline = Pipeline(y)
    d = Discriminator(y["channels"], y["embedding_size"], y["compressed_size"])
    load(pipeline, formula)
    load(d, lambda name, shape: formula(f"discriminator.{name}", shape))
    batch, side = y["batch"], 4 << y["level"]
    real = formula("real", (batch, 3, side, side)) / 3**0.5
    embedding = formula("embedding", (batch, y["embedding_size"]))
    wrong = formula("mismatched", (batch, y["embedding_size"]))
    noise = formula("noise", (batch, y["latent_size"]))
    mix = torch.tensor(y["mix"]).view(batch, 1, 1, 1)

    losses = Losses(d, d.features, d.score, d, y)
    fake, kl = pipeline(embedding, noise, *losses.at)
    of_discriminator = losses.discriminator(real, fake.detach(), embedding, wrong, mix, share_reals=True)
    of_discriminator.backward()
    norms = {"discriminator_gradient": gradient_norm(d)}
    of_generator = losses.generator(fake, kl, embedding)
    of_generator.backward()
    norms["generator_gradient"] = gradient_norm(pipeline)
    count = lambda network: sum(p.numel() for p in network.parameters())
    return {
        "discriminator_parameters": count(d),
        "generator_parameters": count(pipeline),
        "discriminator_loss": of_discriminator.item(),
        "generator_loss": of_generator.item(),
        **norms,
    }


def gradient_norm(network):
    return sum(p.grad.double().square().sum() for p in network.parameters() if p.grad is not None).sqrt().item()


def memory_mb():
    """Peak resident memory of this process: interpreter, libraries, weights and activations; on a GPU, the peak
    that PyTorch has reserved there."""
    if torch.cuda.is_initialized():
        return torch.cuda.max_memory_reserved() / 2**20
    try:  # `ru_maxrss` of a new program begins with the peak of the process that started it
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        pass
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def serve(job):
    say({"ready": True})
    for line in sys.stdin:
        times, cpu = [], time.process_time()
        for _ in range(int(line)):
            start = time.perf_counter()
            job()
            times.append((time.perf_counter() - start) * 1e3)
        cpu = (time.process_time() - cpu) * 1e3 / len(times)
        say({"ms": times, "cpu_ms": cpu, "memory_mb": memory_mb()})


def say(answer):
    print(json.dumps(answer), flush=True)


def main():
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", os.cpu_count())))
    match sys.argv[1:]:
        case ["variants"]:
            say({"variants": VARIANTS, "bf16_variants": BF16_VARIANTS, "torch": torch.__version__})
        case ["parity", benchmark]:
            say(parity(json.loads(benchmark)))
        case ["golden", path]:
            with open(path) as file:
                cases = json.load(file)
            for case in cases:
                mix = case["parity"]["mix"]
                case["parity"] = {"mix": mix, **parity({**case["benchmark"], "mix": mix})}
            with open(path, "w") as file:
                json.dump(cases, file, indent=1)
        case ["step", variant, benchmark] if variant in VARIANTS + BF16_VARIANTS:
            serve(Training(json.loads(benchmark), variant).step)
        case ["model", benchmark, path]:
            drawing.save(json.loads(benchmark), path)
            say({"wrote": path})
        case ["generate", path, count, folder]:
            drawing.generate(path, int(count), folder)
        case ["load", job]:
            import loading  # Pillow is needed here alone

            serve(loading.Loading(json.loads(job), int(os.environ.get("OMP_NUM_THREADS", os.cpu_count()))))
        case ["draw", variant, path, count]:
            serve(drawing.Drawing(drawing.load(path), variant, int(count)))
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
