"""Checks of a report, and of the event files of its run, by the packages that read them.

Usage: check.py RUN REPORT; RUN is - for a report whose run is not there.
"""

import json
import math
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat
import numpy
import pandas

OF_ROW = {"step": "step", "Progress/kimg": "kimg", "Progress/level": "level", "Progress/alpha": "alpha"}


def tables(notebook):
    """The HTML of every output of a notebook."""
    found = []
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            html = output.get("data", {}).get("text/html")
            if html is not None:
                found.append("".join(html).strip())
    return found


def check_notebook(report):
    stored = nbformat.read(report / "report.ipynb", as_version=4)
    nbformat.validate(stored)
    code = [cell for cell in stored.cells if cell.cell_type == "code"]
    assert code[0].metadata.tags == ["parameters"], code[0]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "report"
        shutil.copytree(report, copy)
        command = ["-m", "nbconvert", "--to", "notebook", "--execute", "--output", "executed.ipynb", "report.ipynb"]
        ran = subprocess.run([sys.executable, *command], cwd=copy, capture_output=True, text=True)
        assert ran.returncode == 0, ran.stderr
        executed = nbformat.read(copy / "executed.ipynb", as_version=4)
    assert len(tables(stored)) >= 3
    for before, after in zip(tables(stored), tables(executed), strict=True):
        assert before == after, f"a stored table differs:\n{before}\n{after}"
    return len(code)


def long_form(run):
    """The rows of stats.jsonl in long form."""
    rows = []
    for line in (run / "stats.jsonl").read_text().splitlines():
        values = json.loads(line)
        values.pop("check", None)
        place = [values.get(key) for key in OF_ROW]
        rows += [[run.name, *place, name, value] for name, value in values.items() if name not in OF_ROW]
    return rows


def same(one, other):
    if one is None or (isinstance(one, float) and math.isnan(one)):
        return other is None or pandas.isna(other)
    return one == other


def check_tables(run, report):
    parquet = pandas.read_parquet(report / "stats.parquet")
    csv = pandas.read_csv(report / "stats.csv", float_precision="round_trip")
    assert list(parquet.columns) == list(csv.columns) == ["run", "step", "kimg", "level", "alpha", "name", "value"]
    for one, other in zip(parquet.values.tolist(), csv.values.tolist(), strict=True):
        assert all(same(a, b) for a, b in zip(one, other)), (one, other)
    if run is not None:
        for one, other in zip(long_form(run), parquet.values.tolist(), strict=True):
            assert all(same(a, b) for a, b in zip(one, other)), (one, other)
    return len(parquet)


def check_events(run):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(run), size_guidance={"scalars": 0, "images": 0, "histograms": 0, "tensors": 0})
    events.Reload()
    expected = {}
    for line in (run / "stats.jsonl").read_text().splitlines():
        values = json.loads(line)
        for name, value in values.items():
            if name not in ("step", "check"):
                expected.setdefault(name, []).append((values["step"], numpy.float32(value)))
    tags = events.Tags()
    assert sorted(tags["scalars"]) == sorted(expected)
    for name, values in expected.items():
        found = [(event.step, numpy.float32(event.value)) for event in events.Scalars(name)]
        assert found == values, (name, found, values)
    sheets = [event.encoded_image_string for event in events.Images("samples/fakes")]
    files = {path.read_bytes() for path in run.glob("fakes*.png")}
    assert sheets and set(sheets) == files, (len(sheets), len(files))
    caption = events.Tensors("samples/captions")[-1].tensor_proto.string_val[0].decode()
    assert caption.startswith("1. "), caption
    weights = [tag for tag in tags["histograms"] if tag.startswith("weights/G/")]
    assert weights and all(events.Histograms(tag)[-1].histogram_value.num > 0 for tag in weights)
    assert "_hparams_/session_start_info" in events.summary_metadata
    return len(tags["scalars"])


def main():
    run, report = sys.argv[1:]
    run = None if run == "-" else Path(run)
    report = Path(report)
    rows, cells = check_tables(run, report), check_notebook(report)
    print(f"{report.name}: {rows} rows are equal as JSON lines, CSV and Parquet, {cells} cells execute")
    if run is not None:
        print(f"{run.name}: TensorBoard reads {check_events(run)} statistics")


main()
