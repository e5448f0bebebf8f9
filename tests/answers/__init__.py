"""Right and wrong answers to every exercise, and a way to grade them as nbgrader would.

``month-NN.py`` beside this file holds one cell an answer::

    # %% answer="rates" right="a loop instead of arrays"
    # %% answer="rates" wrong="compares with > instead of >=" score=0 says="at or above"

``score`` is what the answer deserves, of the exercise's automatic points; ``says`` a part of what a
failing check must tell the learner.
"""

import contextlib
import io
import json
import os
import sys
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jupytext
import nbformat

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Answer:
    """One answer to one exercise: ``score`` is None for a right one, which deserves all points."""

    exercise: str
    title: str
    source: str
    score: float | None
    says: str


def load(notebook: str) -> list[Answer]:
    """Return all answers to a month's exercises."""
    cells = jupytext.read(HERE / f"{notebook}.py", fmt="py:percent").cells
    return [
        Answer(
            cell.metadata["answer"],
            cell.metadata.get("right") or cell.metadata["wrong"],
            cell.source,
            None if "right" in cell.metadata else cell.metadata["score"],
            cell.metadata.get("says", ""),
        )
        for cell in cells
        if cell.cell_type == "code"
    ]


def grade(source: Path, answers: list[Answer]) -> Iterator[dict[str, Any]]:
    """Run a source notebook once; at each solution, fork and grade every answer to it.

    Yields:
        For each answer its exercise, title, score, maximal score, and what the failing checks said. The
        exercise's own solution comes first, under the title ``solution``, and the stub as ``stub``.
    """
    import matplotlib

    matplotlib.use("agg")
    cells = [cell for cell in nbformat.read(source, as_version=4).cells if cell.cell_type == "code"]
    release = nbformat.read(str(source).replace("/source/", "/release/"), as_version=4)
    stubs = {cell.id: cell.source for cell in release.cells}
    namespace: dict[str, Any] = {"__name__": "__main__", "display": lambda *_: None}
    for position, cell in enumerate(cells):
        if cell.id.endswith("-solution"):
            exercise = cell.id.removesuffix("-solution")
            own = [
                Answer(exercise, "solution", cell.source, None, ""),
                Answer(exercise, "stub", stubs[cell.id], 0, ""),
            ]
            for answer in own + [answer for answer in answers if answer.exercise == exercise]:
                yield _in_a_fork(answer, exercise, cells[position + 1 :], namespace)
        with contextlib.redirect_stdout(io.StringIO()):
            exec(compile(cell.source, cell.id, "exec"), namespace)


def _in_a_fork(
    answer: Answer, exercise: str, following: list[Any], namespace: dict[str, Any]
) -> dict[str, Any]:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
        try:
            result = _run(answer, exercise, following, namespace)
        except BaseException:
            result = {"score": -1, "said": [traceback.format_exc()]}
        with os.fdopen(writing, "w") as pipe:
            json.dump(result, pipe)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        result = json.load(pipe)
    os.waitpid(child, 0)
    return {"exercise": exercise, "title": answer.title, **result}


def _run(answer: Answer, exercise: str, following: list[Any], namespace: dict[str, Any]) -> dict[str, Any]:
    said, score, most = [], 0.0, 0.0
    try:
        exec(compile(answer.source, "answer", "exec"), namespace)
    except Exception as error:
        said.append(f"{type(error).__name__}: {error}")
    last = max(n for n, cell in enumerate(following) if _tests(cell, exercise))
    for cell in following[: last + 1]:
        if _tests(cell, exercise):
            points = cell.metadata.nbgrader.points
            most += points
        try:
            exec(compile(cell.source, cell.id, "exec"), namespace)
        except Exception as error:
            if _tests(cell, exercise):
                said.append(f"{type(error).__name__}: {error}")
        else:
            score += points if _tests(cell, exercise) else 0
    return {"score": score, "most": most, "said": said}


def _tests(cell: Any, exercise: str) -> bool:
    meta = cell.metadata.get("nbgrader", {})
    return bool(meta.get("grade")) and cell.id.rstrip("0123456789").rstrip("-") == exercise
