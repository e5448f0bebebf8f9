"""Notebook surgery: a notebook whose cells, metadata or outputs are not what was handed out."""

from typing import Any

import nbformat
from nbformat import NotebookNode

from tests.hostile.attack import Family
from tests.hostile.honest import RIGHT
from tests.hostile.lab import ALL, EACH, cell, copy_of

family = Family("notebook surgery")
notebook = family.notebook

SCRIPT = "<script>document.title = 'taken'</script><img src=x onerror=\"document.title = 'taken'\">"
NOTHING: dict[str, str] = {}


def checks(notebook: NotebookNode) -> list[NotebookNode]:
    """Return the check cells."""
    return [cell for cell in notebook.cells if cell.cell_type == "code" and _meta(cell).get("grade")]


def solutions(notebook: NotebookNode) -> list[NotebookNode]:
    """Return the solution cells that hold code."""
    return [cell for cell in notebook.cells if cell.cell_type == "code" and _meta(cell).get("solution")]


def _meta(cell: NotebookNode) -> Any:
    return cell.metadata.get("nbgrader", {})


def _set(cells: list[NotebookNode], **meta: Any) -> None:
    for changed in cells:
        changed.metadata.nbgrader.update(meta)


def _drop(notebook: NotebookNode, cells: list[NotebookNode]) -> None:
    notebook.cells = [cell for cell in notebook.cells if not any(cell is gone for gone in cells)]


def _insert(notebook: NotebookNode, place: NotebookNode, *cells: NotebookNode, after: bool = True) -> None:
    at = next(index for index, cell in enumerate(notebook.cells) if cell is place) + after
    notebook.cells[at:at] = cells


def _code(source: str, id_: str, **meta: Any) -> NotebookNode:
    full = {"schema_version": 3, "grade": False, "locked": False, "solution": False, "task": False, **meta}
    return nbformat.v4.new_code_cell(source, id=id_, metadata={"nbgrader": full} if meta else {})


# ------------------------------------------------------------------------------------------ the checks

notebook(
    "deleted checks",
    "aims at our intake: deletes all check cells of a notebook without answers",
    lambda notebook: _drop(notebook, checks(notebook)),
    0,
    answers=NOTHING,
)
notebook(
    "deleted failing checks",
    "aims at our intake: deletes the checks of an exercise that it answers wrong, and keeps the others",
    lambda notebook: _drop(notebook, [cell(notebook, "spread"), cell(notebook, "spread-2")]),
    ALL - EACH,
    answers=RIGHT | {"spread": "def spread(numbers):\n    return 1\n"},
)
notebook(
    "deleted instructor cells",
    "aims at our intake: deletes the locked cells with the helpers and data, and brings others of the same names",
    lambda notebook: (
        _drop(notebook, [c for c in notebook.cells if c.cell_type == "code" and _meta(c).get("locked") and not _meta(c).get("grade")]),
        notebook.cells.insert(0, _code("close = lambda *args: True\nCASES = []\nCOUNTS = {}", "mine")),
    ),
    0,
    answers=NOTHING,
)  # fmt: skip
notebook(
    "emptied checks",
    "empties the check cells",
    lambda notebook: [c.update(source="") for c in checks(notebook)],
    0,
    answers=NOTHING,
)
notebook(
    "checks that print",
    "replaces the check cells by ones that end in 5, which counts as partial credit",
    lambda notebook: [c.update(source="5.0") for c in checks(notebook)],
    0,
    answers=NOTHING,
)
notebook(
    "duplicated checks",
    "puts each check cell in twice, the second time empty",
    lambda notebook: [
        _insert(notebook, c, copy_of(c) | {"source": ""}) for c in checks(notebook)
    ],
    ALL,
    says="copies",
)  # fmt: skip
notebook(
    "checks first",
    "moves the checks to the top, where an early error is easy to mistake for a broken grader",
    lambda notebook: notebook.cells.sort(key=lambda c: not _meta(c).get("grade")),
    ALL,
)
notebook(
    "checks as prose",
    "aims at our intake: turns the check cells into markdown, which nobody runs",
    lambda notebook: [(c.update(cell_type="markdown"), c.pop("outputs"), c.pop("execution_count")) for c in checks(notebook)],
    0,
    answers=NOTHING,
)  # fmt: skip
notebook(
    "checks as solutions",
    "aims at our intake: marks the checks as solutions, so that they count as the learner's own text",
    lambda notebook: (
        _set(checks(notebook), solution=True, locked=False),
        [c.update(source="pass") for c in checks(notebook)],
    ),
    0,
    answers=NOTHING,
)
notebook(
    "unlocked",
    "says that nothing is locked, and weakens the checks",
    lambda notebook: (
        _set([c for c in notebook.cells if "nbgrader" in c.metadata], locked=False),
        [c.update(source="pass") for c in checks(notebook)],
    ),
    0,
    answers=NOTHING,
)
notebook(
    "errors allowed",
    "aims at our intake: tags the checks as raises-exception, and sets allow_errors for the notebook",
    lambda notebook: (
        [c.metadata.update(tags=["raises-exception", "skip-execution"]) for c in checks(notebook)],
        notebook.metadata.update(execution={"allow_errors": True, "timeout": -1}),
    ),
    0,
    answers=NOTHING,
)
notebook(
    "swapped ids",
    "aims at our intake: swaps the ids of an exercise it can do with one it cannot",
    lambda notebook: [
        c.metadata.nbgrader.update(grade_id=swapped)
        for c, swapped in [
            (cell(notebook, "report"), "spread"),
            (cell(notebook, "spread"), "report"),
            (cell(notebook, "report-2"), "spread-2"),
            (cell(notebook, "spread-2"), "report-2"),
        ]
    ],
    EACH,
    answers={"report": RIGHT["report"]},
)

# ------------------------------------------------------------------------------------------- the points

notebook(
    "raised points",
    "raises the points of every check to 1000",
    lambda notebook: _set(checks(notebook), points=1000),
    ALL,
)
notebook(
    "points that are no number",
    "sets the points to infinity, a text, a list and nothing",
    lambda notebook: [
        _set([c], points=wrong)
        for c, wrong in zip(
            checks(notebook), [float("inf"), "9" * 400, [1], None, -5, True, {}, 1e308], strict=False
        )
    ],
    ALL,
)
notebook(
    "invented check",
    "adds check cells of its own that are worth 500 points each",
    lambda notebook: notebook.cells.extend(
        _code("pass", f"bonus-{k}", grade=True, locked=True, grade_id=f"bonus-{k}", points=500)
        for k in range(3)
    ),
    0,
    answers=NOTHING,
)
notebook(
    "points for prose",
    "aims at our intake: marks its own prose as graded, and the written answer as a check with all points",
    lambda notebook: (
        _set([cell(notebook, "explain-written")], points=90, solution=False),
        notebook.cells.append(
            nbformat.v4.new_markdown_cell(
                "My bonus", metadata={"nbgrader": {"grade": True, "grade_id": "bonus", "points": 90, "locked": True, "solution": False, "schema_version": 3}},
            )
        ),
    ),
    0,
    answers=NOTHING,
)  # fmt: skip
notebook(
    "prefilled outputs",
    "aims at our intake: brings outputs along: an execute_result of 100 in each check, as nbgrader reads partial credit",
    lambda notebook: [
        c.update(
            outputs=[nbformat.v4.new_output("execute_result", {"text/plain": "100.0"}, execution_count=1)],
            execution_count=1,
        )
        for c in checks(notebook)
    ],
    0,
    answers=NOTHING,
)
notebook(
    "schema of tomorrow",
    "aims at our intake: says that the cells follow schemas that nobody has written yet, or never",
    lambda notebook: [
        _set([c], schema_version=wrong)
        for c, wrong in zip([c for c in notebook.cells if "nbgrader" in c.metadata], [99, "3", None, -1, 1, 2, 3.5], strict=False)
    ],
    ALL,
)  # fmt: skip

# --------------------------------------------------------------------------------------------- the cells

notebook(
    "duplicated solutions",
    "aims at our intake: puts each solution cell in twice, the right one first and an empty one behind",
    lambda notebook: [_insert(notebook, c, copy_of(c) | {"source": ""}) for c in solutions(notebook)],
    ALL,
    says="put together",
)
notebook(
    "split solution",
    "aims at our intake: splits a class in two solution cells of the same id: what belongs together is one answer",
    lambda notebook: _insert(
        notebook,
        cell(notebook, "seek-solution"),
        copy_of(cell(notebook, "seek-solution")) | {"source": "seek = _halved\n"},
    ),
    ALL,
    answers=RIGHT | {"seek": RIGHT["seek"].replace("seek(", "_halved(")},
)
notebook(
    "solutions without ids",
    "aims at our intake: removes the metadata of its solution cells: pasted into fresh cells, they stand where they stood",
    lambda notebook: [c.metadata.pop("nbgrader") for c in solutions(notebook)],
    ALL,
)
notebook(
    "one cell for all",
    "aims at our intake: gives every cell the same id",
    lambda notebook: [c.update(id="same") for c in notebook.cells],
    ALL,
)
notebook(
    "one grade id for all",
    "aims at our intake: gives every cell of the grader the same grade_id, that of a check",
    lambda notebook: _set([c for c in notebook.cells if "nbgrader" in c.metadata], grade_id="spread"),
    0,
    ends="needs a person",
    answers=NOTHING,
)
notebook(
    "raw solutions",
    "turns its solution cells into raw cells: no code was handed in",
    lambda notebook: [
        (c.update(cell_type="raw"), c.pop("outputs"), c.pop("execution_count")) for c in solutions(notebook)
    ],
    ALL,
    says="type",
)
notebook(
    "answers above their tests' heads",
    "moves all solutions to the end, after the checks",
    lambda notebook: notebook.cells.sort(key=lambda c: bool(_meta(c).get("solution"))),
    ALL,
)
notebook(
    "hidden tests of its own",
    "aims at our intake: brings BEGIN HIDDEN TESTS and END SOLUTION marks in its answers, to have parts of other cells cut",
    lambda notebook: None,
    ALL,
    answers=RIGHT
    | {
        "spread": "### BEGIN HIDDEN TESTS\n### BEGIN SOLUTION\n" + RIGHT["spread"],
        "seek": RIGHT["seek"] + "### END SOLUTION\n### END HIDDEN TESTS\n",
    },
)
notebook(
    "another month",
    "hands in the notebook of another month under this month's name",
    lambda notebook: notebook.update(
        cells=[
            nbformat.v4.new_markdown_cell("# Another month"),
            _code("def other():\n    return 1", "other", grade_id="other-solution", solution=True),
            _code("assert other() == 1", "other-check", grade_id="other", grade=True, locked=True, points=90),
        ]
    ),
    0,
    ends="needs a person",
)
notebook(
    "no cells",
    "aims at our intake: hands in a notebook without a cell",
    lambda notebook: notebook.update(cells=[]),
    0,
    ends="needs a person",
)

# ----------------------------------------------------------------------------------------- the metadata

notebook(
    "kernel is a command",
    "aims at our intake: asks for a kernel of bash, of a language of its own and of a path to a program",
    lambda notebook: notebook.metadata.update(
        kernelspec={"name": "../../bin/bash", "language": "bash", "display_name": "sh", "argv": ["/bin/sh", "-c", "id"]},
        language_info={"name": "bash", "file_extension": ".sh", "nbconvert_exporter": "script"},
    ),
    ALL,
)  # fmt: skip
notebook(
    "metadata junk",
    "aims at our intake: fills metadata with junk: wrong types, huge texts, names of nbgrader's and of Python's own",
    lambda notebook: (
        notebook.metadata.update(
            nbgrader={"__class__": "os"}, celltoolbar=["x"], title={"a": SCRIPT}, __proto__={"polluted": True},
            authors="x" * 300_000, jupytext={"formats": "ipynb,py:percent"},
        ),
        [c.metadata.update(nbgrader_extra="x", collapsed="maybe", slideshow=7, name=SCRIPT) for c in notebook.cells],
        _set(checks(notebook), checksum="0" * 32, comment=SCRIPT, extra={"a": [1]}, cell_type="markdown"),
    ),
    ALL,
)  # fmt: skip
notebook(
    "widget state",
    "aims at whoever reads it: brings saved widgets with scripts in them, which a page that shows the notebook would run",
    lambda notebook: notebook.metadata.update(
        widgets={
            "application/vnd.jupyter.widget-state+json": {
                "version_major": 2,
                "version_minor": 0,
                "state": {
                    "a" * 32: {
                        "model_name": "HTMLModel",
                        "model_module": "https://decoy.invalid/evil.js",
                        "model_module_version": "*",
                        "state": {"value": SCRIPT},
                    }
                },
            }
        }
    ),
    ALL,
)
notebook(
    "scripts in prose",
    "aims at whoever reads it: writes scripts, frames and javascript: links into markdown, the written answer and attachments",
    lambda notebook: (
        cell(notebook, "explain-written").update(source=f"{SCRIPT}\n[x](javascript:alert(1))\n<iframe srcdoc='{SCRIPT}'>"),
        notebook.cells.append(nbformat.v4.new_markdown_cell(f"<svg onload='x()'><style>*{{display:none}}</style>{SCRIPT}")),
        notebook.cells[-1].update(attachments={"a.svg": {"image/svg+xml": SCRIPT}}),
    ),
    ALL,
)  # fmt: skip
family.answers(
    "scripts in outputs",
    "aims at whoever reads it: shows scripts as HTML, SVG, JavaScript and in an error's text, for whoever opens the feedback",
    {
        "report": RIGHT["report"]
        + f"""
from IPython.display import HTML, Javascript, SVG, display
_bad = {SCRIPT!r}
display(HTML(_bad), Javascript("document.title = 'taken'"))
display({{"image/svg+xml": "<svg onload=\\"document.title='taken'\\"></svg>", "text/markdown": _bad}}, raw=True)
display({{"application/vnd.jupyter.widget-view+json": {{"model_id": "a" * 32}}, "text/latex": _bad}}, raw=True)
raise ValueError(_bad)
"""
    },
    ALL,
)
family.answers(
    "scripts in what a check says",
    "aims at whoever reads it: raises an error whose text is HTML in a check's call, so that the check's own output carries it",
    {"spread": f"def spread(numbers):\n    raise ValueError({SCRIPT!r})\n"},
    ALL - EACH,
)


def _old_format(notebook: NotebookNode) -> None:
    cells = [
        {
            "cell_type": c.cell_type,
            "metadata": c.metadata,
            **(
                {
                    "input": c.source,
                    "language": "python",
                    "outputs": [],
                    "collapsed": False,
                    "prompt_number": 1,
                }
                if c.cell_type == "code"
                else {"source": c.source}
            ),
        }
        for c in notebook.cells
    ]
    notebook.clear()
    notebook.update(
        nbformat=3, nbformat_minor=0, metadata={"name": ""}, worksheets=[{"cells": cells, "metadata": {}}]
    )


notebook(
    "format of old",
    "hands the notebook in as nbformat 3, of 2013, with worksheets",
    _old_format,
    ALL,
)
notebook(
    "format of tomorrow",
    "aims at our intake: says that its format is 4.99, of which nobody knows",
    lambda notebook: notebook.update(nbformat_minor=99),
    ALL,
)

ATTACKS = tuple(family.attacks)
