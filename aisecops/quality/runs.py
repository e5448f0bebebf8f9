"""Runs solved months in fresh kernels: the same result every time, in time and in memory."""

import hashlib
import os
import random
import tempfile
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from aisecops.build import files_of
from aisecops.build.compile import numbered
from aisecops.build.read import Lab
from aisecops.build.record import recorded as is_recorded
from aisecops.quality.finding import Finding

CELL_S, MONTH_S, MONTH_MIB = 60, 60, 2048
TIMEOUT_S = 300
# CPU time, not the clock: what else the machine does is no fault of a month's.
_TOOK = """import resource
_own, _helpers = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
print(_own.ru_maxrss, sum(one.ru_utime + one.ru_stime for one in (_own, _helpers)))"""


@dataclass(frozen=True)
class Run:
    """One run of a month: what each cell showed, the points, and what it took.

    ``shown`` maps a cell's id to its outputs as text, pictures by digest; ``slowest`` pairs a cell's id
    with its seconds. ``seconds`` is CPU time of the whole month.
    """

    shown: dict[str, list[str]]
    points: float
    most: float
    stderr: str
    slowest: tuple[str, float]
    seconds: float
    mebibytes: float


def run(course: Path, name: str, number: int) -> dict[str, Any]:
    """Run a month's source in a fresh kernel and an empty folder; returns the fields of a :class:`Run`.

    Runs of different ``number`` differ in what must not matter: hash order and thread count.
    """
    from nbclient import NotebookClient

    notebook = nbformat.read(course / files_of(name)[0], as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell(_TOOK))
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            **os.environ,
            "AISECOPS_DESK": str(Path(folder, "desk")),
            "PYTHONHASHSEED": str(number),
            "OMP_NUM_THREADS": str(1 + number % 2),
        }
        environment.pop("MPLBACKEND", None)
        client = NotebookClient(
            notebook, timeout=TIMEOUT_S, allow_errors=True, store_widget_state=False,
            resources={"metadata": {"path": folder}},
        )  # fmt: skip
        client.execute(env=environment)
    memory, seconds = _took(notebook.cells.pop())
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    errors = [
        o.text for cell in code for o in cell.outputs if o.output_type == "stream" and o.name == "stderr"
    ]
    return {
        "shown": {cell.id: _shown(cell) for cell in code},
        "points": sum(_points(cell) for cell in code),
        "most": sum(cell.metadata.get("nbgrader", {}).get("points", 0) for cell in code),
        "stderr": "".join(errors),
        "slowest": max(((cell.id, _seconds(cell)) for cell in code), key=lambda pair: pair[1]),
        "seconds": seconds,
        "mebibytes": memory / 1024,
    }


def recorded(course: Path, name: str) -> dict[str, list[str]]:
    """Return what each cell of the committed source shows, as in a :class:`Run`, but without pictures.

    Empty if the source has not been recorded since its code changed; the build says so.
    """
    notebook = nbformat.read(course / files_of(name)[0], as_version=4)
    if not is_recorded(notebook):
        return {}
    return {cell.id: _texts(_shown(cell)) for cell in notebook.cells if cell.cell_type == "code"}


def order(names: list[str], count: int) -> list[tuple[str, int]]:
    """Return all runs of all months in an order that has nothing to do with that of the course."""
    jobs = [(name, number) for name in names for number in range(count)]
    random.Random(0).shuffle(jobs)
    return jobs


def judge(lab: Lab, before: dict[str, list[str]], runs: list[Run]) -> list[Finding]:
    """Compare the runs of one month with each other and with what is recorded."""
    lines = {id_: cell.line for cell, id_ in numbered(lab)}
    found: list[Finding] = []

    def add(cell: str, check: str, sentence: str) -> None:
        found.append(Finding(f"notebooks/{lab.name}.py:{lines.get(cell, 1)}", check, sentence))

    for number, one in enumerate(runs):
        if one.points < one.most:
            add(
                "",
                "solution",
                f"run {number + 1} in a fresh kernel got {one.points:g} of {one.most:g} points",
            )
        if one.stderr:
            first = one.stderr.strip().splitlines()[0]
            add("", "solution", f"run {number + 1} wrote to stderr, which costs learners all points: {first}")
        cell, seconds = one.slowest
        if seconds > CELL_S:
            add(cell, "time", f"this cell ran {seconds:.0f} s; the limit is {CELL_S} s")
        if one.seconds > MONTH_S:
            add("", "time", f"the month took {one.seconds:.0f} s of CPU time; the limit is {MONTH_S} s")
        if one.mebibytes > MONTH_MIB:
            add("", "time", f"the month took {one.mebibytes:.0f} MiB; the limit is {MONTH_MIB} MiB")
    for cell, shown in runs[0].shown.items() if runs else ():
        others = [one.shown.get(cell) for one in runs[1:]]
        if any(other != shown for other in others) or before.get(cell, _texts(shown)) != _texts(shown):
            add(
                cell,
                "stable",
                "this cell shows something else from run to run: seed it, round it, or print less",
            )
    return found


def _shown(cell: NotebookNode) -> list[str]:
    """Return a cell's outputs as text; pictures by their digest, widgets by their kind."""
    texts: list[str] = []
    for output in cell.outputs:
        if output.output_type == "stream":
            # The kernel sends what is printed in pieces, as time has it.
            if texts and texts[-1].startswith(f"{output.name} "):
                texts[-1] += output.text
            else:
                texts.append(f"{output.name} {output.text}")
        elif output.output_type == "error":
            texts.append(f"error {output.ename}: {output.evalue}")
        else:
            for kind, data in sorted(output.data.items()):
                if kind.startswith("image/"):
                    texts.append(f"picture {kind} {hashlib.sha256(str(data).encode()).hexdigest()[:16]}")
                elif "widget" not in kind:
                    texts.append(f"{kind} {data}")
    return texts


def _took(cell: NotebookNode) -> tuple[float, float]:
    """Return the KiB and the CPU seconds that the last cell has printed."""
    _, memory, seconds = _shown(cell)[0].split()
    return float(memory), float(seconds)


def _texts(shown: list[str]) -> list[str]:
    return [text for text in shown if not text.startswith("picture ")]


def _points(cell: NotebookNode) -> float:
    meta = cell.metadata.get("nbgrader", {})
    if not meta.get("grade"):
        return 0.0
    failed = any(o.output_type == "error" or o.get("name") == "stderr" for o in cell.outputs)
    return 0.0 if failed else float(meta.points)


def _seconds(cell: NotebookNode) -> float:
    times = cell.metadata.get("execution", {})
    start, end = times.get("iopub.execute_input"), times.get("shell.execute_reply")
    if not start or not end:
        return 0.0
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()
