"""Runs the scripts of `t2f export` with stand-ins for the packages of the trackers.

Usage: uploads.py RUN SCRIPT...
"""

import json
import py_compile
import runpy
import sys
import tempfile
import types
from pathlib import Path


class Calls(list):
    """Records the calls of a tracker."""

    def __getattr__(self, name):
        def call(*arguments, **keywords):
            self.append((name, arguments, keywords))
            return self

        return call

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return None


def main():
    run, scripts = Path(sys.argv[1]), sys.argv[2:]
    rows = [json.loads(line) for line in (run / "stats.jsonl").read_text().splitlines()]
    sheets = sorted(path.name for path in run.glob("fakes*.png"))
    for script in scripts:
        with tempfile.TemporaryDirectory() as folder:
            py_compile.compile(script, cfile=f"{folder}/script.pyc", doraise=True)
        name = Path(script).stem.removeprefix("upload-")
        calls = Calls()
        module = types.ModuleType(name)
        module.__getattr__ = lambda attribute: getattr(calls, attribute)
        sys.modules[name] = module
        sys.argv = [script, str(run)]
        runpy.run_path(script, run_name="__main__")
        logged = [call for call in calls if call[0] in ("log", "log_metrics") and "samples" not in call[1][0]]
        pictures = [call for call in calls if call[0] == "Image" or call[1][1:] == ("samples",)]
        # A sheet of Weights & Biases and of Trackio is a row with a picture.
        assert [call[1][0]["Progress/kimg"] for call in logged] == [row["Progress/kimg"] for row in rows], name
        assert sorted(Path(call[1][0]).name for call in pictures) == sheets, name
        given = [call for call in calls if call[0] in ("init", "log_params")]
        text = str(given[0][1:])
        assert "optimizer.generator.lr" in text and "gan.resolution" in text, name
        print(f"{name}: {len(logged)} rows and {len(pictures)} sheets")


main()
