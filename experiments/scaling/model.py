"""The step of a data-parallel training by a model of its communication. Usage: model.py [--help]

A step on N processes computes for `compute` seconds, then sums the gradients of both networks and some scalars. The
two sums do not overlap with the computation, because candle returns all gradients at once. A sum of B bytes takes

    mpi   (scatter and gather of shares, all pairs):  2 (N-1) latency + 2 (N-1)/N B / bandwidth
    nccl  (tree up to the latency, ring bandwidth):   2 log2(N) latency + 2 (N-1)/N B / bandwidth

and the message before a step log2(N) latency. The efficiency is compute / step: the share of a process's time that
is its own computation, with the same micro-batch on every process.
"""

import argparse
import math


def sum_seconds(kind, processes, size, bandwidth, latency):
    rounds = processes - 1 if kind == "mpi" else math.log2(processes)
    return 2 * rounds * latency + 2 * (processes - 1) / processes * size / bandwidth


def step_seconds(arguments, processes):
    sums = sum(
        sum_seconds(arguments.kind, processes, 4 * count, arguments.bandwidth * 1e9, arguments.latency * 1e-6)
        for count in (arguments.generator, arguments.discriminator)
    )
    return arguments.compute * 1e-3 + sums + math.log2(processes) * arguments.latency * 1e-6


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kind", choices=["mpi", "nccl"], default="nccl")
    parser.add_argument("--generator", type=int, default=2_368_938, help="parameters of the generator's side")
    parser.add_argument("--discriminator", type=int, default=1_247_243, help="parameters of the discriminator")
    parser.add_argument("--compute", type=float, required=True, help="milliseconds of a step on one process")
    parser.add_argument("--bandwidth", type=float, required=True, help="GB/s of a process, in one direction")
    parser.add_argument("--latency", type=float, default=5.0, help="microseconds of a message")
    parser.add_argument("--processes", type=int, nargs="+", default=[2, 8, 64, 512])
    arguments = parser.parse_args()
    size = 4 * (arguments.generator + arguments.discriminator)
    print(f"{size / 1e6:.1f} MB of gradients a step")
    for processes in arguments.processes:
        step = step_seconds(arguments, processes)
        efficiency = arguments.compute * 1e-3 / step
        print(f"{processes:5} processes: {1e3 * step:8.2f} ms a step, efficiency {efficiency:.3f}")
    # Where the bytes of the largest group take 5 % of the computation.
    enough = 2 * size / (0.05 * arguments.compute * 1e-3) / 1e9
    print(f"the bytes take less than 5 % of the computation above {enough:.2g} GB/s")


if __name__ == "__main__":
    main()
