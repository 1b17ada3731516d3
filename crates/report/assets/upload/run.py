import json
import sys
import tomllib
from pathlib import Path

folder = (Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent).resolve()


def settings():
    """The settings of the run, by their full names."""

    def leaves(table, section=""):
        for name, value in table.items():
            if isinstance(value, dict):
                yield from leaves(value, f"{section}{name}.")
            else:
                yield f"{section}{name}", value

    return dict(leaves(tomllib.loads((folder / "config.toml").read_text(encoding="utf-8"))))


def rows():
    """The rows of the statistics, each with its step; damaged lines are left out."""
    path = folder / "stats.jsonl"
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        try:
            values = json.loads(line)
        except ValueError:
            continue
        values.pop("check", None)
        yield int(values.pop("step")), values


def sheets():
    """The sheets of samples, each with the thousands of images shown before."""
    for path in sorted(folder.glob("fakes*.png")):
        shown = path.stem.removeprefix("fakes")
        yield 0.0 if shown == "_init" else float(shown), path


def events():
    """Steps, values and sheets in the order of the images shown; a sheet has no values."""
    found = [(values.get("Progress/kimg", 0.0), 0, step, values, None) for step, values in rows()]
    found += [(kimg, 1, None, {"Progress/kimg": kimg}, path) for kimg, path in sheets()]
    latest = 0
    for _, _, step, values, path in sorted(found, key=lambda event: event[:2]):
        latest = latest if step is None else step
        yield latest, values, path
