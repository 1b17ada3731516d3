"""Trains by `mpirun` with 1, 2 and 4 processes and compares the runs. Usage: check.py PROGRAM SUMS FOLDER

The program and the example `sums` are builds with the feature `mpi`, the folder is empty. Needs Open MPI or MPICH, and nothing beside Python.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

PROGRAM, SUMS, FOLDER = (Path(argument).resolve() for argument in sys.argv[1:4])
SHORT = [
    "data.train_images=64", "data.val_images=16", "data.test_images=16", "gan.resolution=16",
    "gan.channels=[16,16,16]", "schedule.fade_kimg=[0,0.064]", "schedule.stable_kimg=[0.064,0.128]",
    "schedule.batch_sizes=[16]", "schedule.micro_batches=4", "schedule.anneal_kimg=0", "output.tick_kimg=0.032",
    "output.sample_kimg=0.128", "output.checkpoint_kimg=0.064", "output.samples=4",
]
LONG = ["schedule.stable_kimg=[0.064,50]", "output.sample_kimg=50"]
# Within this time a failure of one process has ended all.
SOON = 5.0
OPEN_MPI = "Open MPI" in subprocess.run(["mpirun", "--version"], capture_output=True, text=True, check=True).stdout


def launcher(processes):
    options = ["--bind-to", "none", "--oversubscribe"] if OPEN_MPI else []
    return ["mpirun", *options, "-n", str(processes)]


def environment():
    own = dict(os.environ, RAYON_NUM_THREADS="1", RUST_BACKTRACE="0")
    return dict(own, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")


def launched(line):
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen(line, env=environment(), start_new_session=True, **streams)


def start(processes, out, *arguments, settings=()):
    line = launcher(processes) if processes > 1 else []
    line += [str(PROGRAM), "train", "--plain"]
    if "--resume" not in arguments:
        line += ["--out", str(out), *(word for setting in SHORT for word in ("--set", setting))]
    line += [*arguments, *(word for setting in settings for word in ("--set", setting))]
    return launched(line)


def ended(process, within=120.0):
    """Exit code and output; a process that does not end in time is killed with its children, and fails."""
    try:
        output, _ = process.communicate(timeout=within)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        raise SystemExit(f"{process.args} has not ended within {within} s:\n{process.communicate()[0]}")
    return process.returncode, output


def succeeded(process):
    code, output = ended(process)
    assert code == 0, output
    return output


def run_of(out):
    (run,) = [path for path in out.iterdir() if path.is_dir()]
    return run


def left(run):
    """What must not depend on the number of processes: model, newest checkpoint, statistics without times."""
    newest = run / "checkpoints" / (run / "checkpoints" / "LATEST").read_text().strip()
    rows = [json.loads(line) for line in (run / "stats.jsonl").read_text().splitlines()]
    for row in rows:
        for name in [name for name in row if name.startswith("Timing/") or name == "check"]:
            del row[name]
    files = {path.name: path.read_bytes() for path in newest.iterdir()}
    return {"model": (run / "model.safetensors").read_bytes(), "stats": rows, **files}


def assert_same(found, expected, what):
    differing = [name for name in expected if found.get(name) != expected[name]]
    assert not differing, f"{what}: {differing} differ"


def workers(process):
    """The processes of the program that a launcher, `process`, has started, in the order of their ranks."""
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            variables = (entry / "environ").read_bytes().split(b"\0")
            session = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[3])
            name = os.readlink(entry / "exe")
        except OSError:
            continue
        for variable in variables:
            key, _, value = variable.partition(b"=")
            if session == process.pid and key in (b"OMPI_COMM_WORLD_RANK", b"PMI_RANK") and name == str(PROGRAM):
                found[int(value)] = int(entry.name)
    return [found[rank] for rank in sorted(found)]


def train_a_while(process):
    """Waits until a run has taken some steps; the output so far."""
    seen = ""
    for line in process.stdout:
        seen += line
        if "saved" in line:
            return seen
    raise SystemExit(f"the run has ended early:\n{seen}")


def check_numbers():
    succeeded(start(1, FOLDER / "one"))
    expected = left(run_of(FOLDER / "one"))
    for processes in (2, 4):
        out = FOLDER / f"on-{processes}"
        output = succeeded(start(processes, out))
        assert f", {processes} processes by mpi" in output, output
        assert_same(left(run_of(out)), expected, f"{processes} processes")
    succeeded(start(2, FOLDER / "again"))
    assert_same(left(run_of(FOLDER / "again")), expected, "2 processes again")
    print("1, 2 and 4 processes give the same bits")
    return expected


def check_stop():
    """SIGTERM stops all processes after a checkpoint."""
    out = FOLDER / "stopped"
    process = start(2, out, settings=LONG)
    train_a_while(process)
    os.kill(workers(process)[0], signal.SIGTERM)
    code, output = ended(process, 30.0)
    assert code == 0 and "stopped as asked" in output, output
    print("SIGTERM stops all processes after a checkpoint")


def check_kills():
    """A killed process ends all."""
    for victim in (0, 1):
        out = FOLDER / f"killed-{victim}"
        process = start(2, out, settings=LONG)
        train_a_while(process)
        began = time.monotonic()
        os.kill(workers(process)[victim], signal.SIGKILL)
        code, _ = ended(process, 30.0)
        took = time.monotonic() - began
        assert code != 0 and took < SOON, f"killed process {victim}: exit code {code} after {took:.1f} s"
        assert not workers(process), "processes are left"
        print(f"a killed process {victim} of 2 ends all within {took:.1f} s")


def check_resume(expected):
    """A run continues from its last checkpoint on another number of processes, with the same bits."""
    out = FOLDER / "resumed"
    process = start(4, out)
    train_a_while(process)
    os.kill(workers(process)[3], signal.SIGKILL)
    ended(process, 30.0)
    run = str(run_of(out))
    process = start(2, out, "--resume", run)
    output = succeeded(process)
    assert "continues from" in output or "finished" in output, output
    assert_same(left(run_of(out)), expected, "4 processes, a kill, then 2")
    print("a run that was killed on 4 processes continues on 2 with the same bits")


def check_stall():
    """A process that is stopped for longer than --peer-timeout ends all."""
    out = FOLDER / "stalled"
    process = start(2, out, "--peer-timeout", "2", settings=LONG)
    train_a_while(process)
    began = time.monotonic()
    os.kill(workers(process)[1], signal.SIGSTOP)
    code, output = ended(process, 30.0)
    took = time.monotonic() - began
    assert code != 0 and "has waited 2 s for the others" in output, output
    assert took < 2 + SOON, f"{took:.1f} s"
    assert not workers(process), "processes are left"
    print(f"a stopped process ends all within {took:.1f} s, 2 s of them --peer-timeout")


def check_panic():
    """A panic of one process ends all."""
    print(succeeded(launched([*launcher(2), str(SUMS)])), end="")
    began = time.monotonic()
    code, output = ended(launched([*launcher(4), str(SUMS), "panic", "2"]), 30.0)
    assert code == 101 and "as asked" in output, f"exit code {code}: {output}"
    print(f"a panic of process 2 of 4 ends all, {time.monotonic() - began:.1f} s after their start")


def check_divergence():
    out = FOLDER / "diverged"
    code, output = ended(start(2, out, "--rollback", "1", settings=["optimizer.generator.lr=1e30"]))
    assert code == 1 and "the training stopped" in output, output
    assert (run_of(out) / "diverged.json").exists()
    print("a divergence stops all processes with its cause")


def check_refusals():
    code, output = ended(start(3, FOLDER / "three", settings=["schedule.batch_sizes=[16]"]))
    assert code == 1 and "schedule.micro_batches is 4, expected a multiple of the 3 processes" in output, output
    assert not (FOLDER / "three").exists()
    code, output = ended(start(2, FOLDER / "hours", "--hours", "1"))
    assert code == 2 and "--hours" in output, output
    print("processes that cannot share a batch are refused")


expected = check_numbers()
check_resume(expected)
check_kills()
check_stop()
check_stall()
check_panic()
check_divergence()
check_refusals()
