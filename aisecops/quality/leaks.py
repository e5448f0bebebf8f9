"""Whether what learners get holds anything that only the instructor may have."""

import ast
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nbformat import NotebookNode

from aisecops.build import files_of
from aisecops.build.read import Cell, Lab
from aisecops.quality.finding import Finding

_SHORTEST_LINE, _SHORTEST_LITERAL = 25, 8
_REGIONS = {"solution": "SOLUTION", "tests": "HIDDEN TESTS"}


def check(course: Path, lab: Lab) -> list[Finding]:
    """Search the released notebook and the catalogue for solutions, hidden tests and values only they hold.

    A solution counts as leaked when all its lines can be read somewhere; a line of a hidden test or of a
    model answer when it stands nowhere in the visible part.
    """
    released = course / files_of(lab.name)[-1]
    if not released.is_file():
        return [
            Finding(
                f"notebooks/{lab.name}.py:1",
                "leak",
                f"{files_of(lab.name)[-1]} is missing: run `aisecops build`",
            )
        ]
    texts = [*_strings(json.loads(released.read_text(encoding="utf-8")))]
    catalogue = course / "release" / "exercises.json"
    entries = json.loads(catalogue.read_text(encoding="utf-8")) if catalogue.is_file() else []
    texts += _strings(entries)
    public = "\n".join(texts)
    lines = {_normal(line) for line in public.splitlines()}
    flat = "\n".join(lines)
    visible_lines = {_normal(line) for cell in lab.cells for line in _visible(cell)}
    labels = [label for exercise in lab.exercises for label in exercise.standards]
    labels += [label for entry in entries for label in entry["standards"]]  # other months' tell no answer
    visible = "\n".join([*labels, *(line for cell in lab.cells for line in _visible(cell))])
    findings = []
    for cell in lab.cells:
        where = f"notebooks/{lab.name}.py:{cell.line}"
        secret = _secret(cell)
        substance = [line for line in map(_normal, secret) if line and not line.startswith("#")]
        if cell.role == "solution" and substance and all(line in flat for line in substance):
            findings.append(
                Finding(where, "leak", f"the whole solution of {cell.name} can be read in the release")
            )
            continue
        if cell.role != "solution":
            leaked = [
                line for line in substance
                if len(line) >= _SHORTEST_LINE and line in lines and line not in visible_lines
            ]  # fmt: skip
            if leaked:
                what = "the model answer" if cell.role == "written" else "the hidden test"
                findings.append(
                    Finding(where, "leak", f"{what} of {cell.name} stands in the release: `{leaked[0]}`")
                )
                continue
        if values := [value for value in _literals(secret) if value in public and value not in visible]:
            findings.append(
                Finding(
                    where,
                    "leak",
                    f"{values[0]!r} stands in the release, and only a hidden part of {cell.name} holds it",
                )
            )
    return findings


def check_feedback(lab: Lab, source: NotebookNode) -> list[Finding]:
    """Put every check of the source through the feedback's preprocessor as if it had failed."""
    from nbformat.v4 import new_output

    from aisecops.grading.feedback import HideTests

    findings = []
    hide = HideTests()
    visible_lines = {_normal(line) for cell in lab.cells for line in _visible(cell)}
    hidden = {
        _normal(line): cell for cell in lab.cells if cell.role == "tests" for line in _secret(cell)
    }  # fmt: skip
    for index, cell in enumerate(source.cells):
        if cell.cell_type != "code":
            continue
        failed = NotebookNode(
            cell,
            outputs=[
                new_output("error", ename="AssertionError", evalue="no", traceback=cell.source.splitlines())
            ],
        )
        shown, _ = hide.preprocess_cell(failed, {}, index)
        for line in map(_normal, "\n".join(_strings(shown)).splitlines()):
            if line in hidden and len(line) >= _SHORTEST_LINE and line not in visible_lines:
                where = f"notebooks/{lab.name}.py:{hidden[line].line}"
                findings.append(Finding(where, "leak", f"feedback shows a hidden test: `{line}`"))
                break
    return findings


def _secret(cell: Cell) -> list[str]:
    """Return the lines of a cell that learners must not see."""
    if cell.role == "written":
        return cell.source.splitlines()
    return [line for line, secret in _split(cell) if secret]


def _visible(cell: Cell) -> list[str]:
    if cell.role == "written":
        return []
    return [line for line, secret in _split(cell) if not secret]


def _split(cell: Cell) -> Iterator[tuple[str, bool]]:
    region = _REGIONS.get(cell.role)
    inside = False
    for line in cell.source.splitlines():
        if region and f"END {region}" in line:
            inside = False
        yield line, inside
        if region and f"BEGIN {region}" in line:
            inside = True


def _normal(line: str) -> str:
    """Reduce a line to what counts, without the marks of a comment or of code in prose."""
    return " ".join(line.removeprefix("#").replace("`", "").split())


def _literals(lines: list[str]) -> list[str]:
    """Return the texts that a hidden part of a cell holds as constants, long enough to be telling."""
    try:
        tree = ast.parse("if True:\n" + "\n".join(f"    {line}" for line in lines))
    except SyntaxError:
        return []
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and len(node.value) >= _SHORTEST_LITERAL
    ]


def _strings(value: Any) -> Iterator[str]:
    """Yield every text in a JSON value, keys too; a notebook's sources whole."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, part in value.items():
            yield key
            if key in ("source", "text") and isinstance(part, list):
                yield "".join(part)
            else:
                yield from _strings(part)
    elif isinstance(value, list):
        for part in value:
            yield from _strings(part)
