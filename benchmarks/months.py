"""Runs solved months in fresh kernels: do they always score full, how long do they take, how much memory?

    python benchmarks/months.py [--runs 20] [month-01 …]

Prints one line a month. Exits with 1 if a run lost a point or wrote to stderr.
"""

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from rich.progress import track

ROOT = Path(__file__).resolve().parents[1]
MEMORY = "import resource; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"


def run(name: str) -> tuple[float, float, float]:
    """Return seconds, peak memory in MiB and points of one run; points are -1 if a cell wrote to stderr."""
    notebook = nbformat.read(ROOT / "source" / name / f"{name}.ipynb", as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell(MEMORY))
    with tempfile.TemporaryDirectory() as folder:
        client = NotebookClient(
            notebook, timeout=300, allow_errors=True, resources={"metadata": {"path": folder}}
        )
        start = time.perf_counter()
        client.execute()
        seconds = time.perf_counter() - start
    points = 0.0
    for cell in notebook.cells:
        outputs = cell.get("outputs", [])
        if any(output.get("name") == "stderr" for output in outputs):
            return seconds, 0, -1
        meta = cell.metadata.get("nbgrader", {})
        failed = any(output.output_type == "error" for output in outputs)
        if cell.cell_type == "code" and meta.get("grade") and not failed:
            points += meta.points
    return seconds, int(notebook.cells[-1].outputs[0].text) / 1024, points


def main() -> None:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("months", nargs="*", default=sorted(p.name for p in (ROOT / "source").iterdir()))
    parser.add_argument("--runs", type=int, default=20)
    wanted = parser.parse_args()
    lost = False
    for name in wanted.months:
        notebook = nbformat.read(ROOT / "source" / name / f"{name}.ipynb", as_version=4)
        most = sum(
            c.metadata.get("nbgrader", {}).get("points", 0) for c in notebook.cells if c.cell_type == "code"
        )
        results = [run(name) for _ in track(range(wanted.runs), name)]
        full = sum(points == most for _, _, points in results)
        lost |= full < wanted.runs
        print(
            f"{name}: {full} of {wanted.runs} runs with all {most:g} automatic points; "
            f"{statistics.median(r[0] for r in results):.1f} s (at most {max(r[0] for r in results):.1f} s), "
            f"at most {max(r[1] for r in results):.0f} MiB"
        )
    sys.exit(lost)


if __name__ == "__main__":
    main()
