"""Turns a lab into nbgrader's instructor version, and that into the version learners get.

Both are plain functions of the lab and the roadmap: the same text gives the same bytes.
"""

import hashlib
import json
import logging
from functools import cache
from typing import Any

import nbformat
from nbformat import NotebookNode

from aisecops.build.read import Cell, Lab, cell_id
from aisecops.course import settings
from aisecops.exercises import Check, Exercise
from aisecops.roadmap import Month, Roadmap
from aisecops.standards import lookup

NBGRADER_SCHEMA = 3
FORMAT = (4, 5)


def source(lab: Lab, month: Month | None, roadmap: Roadmap) -> NotebookNode:
    """Return nbgrader's instructor version of a lab, without outputs.

    The notebook's ``aisecops`` metadata names the month, the digest of these cells (so that a hand
    edit is noticed) and the digest of the release (so that a learner's copy knows its age).
    """
    cells = [_compile_cell(cell, lab) for cell in numbered(lab)]
    if month is not None:
        cells = [_header(lab, month, roadmap), *cells, *_closing()]
    _make_ids_unique(cells)
    notebook = nbformat.v4.new_notebook(
        cells=cells,
        metadata={
            "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
            "aisecops": {"notebook": lab.name},
        },
    )
    notebook.nbformat, notebook.nbformat_minor = FORMAT
    notebook.metadata.aisecops.cells = digest(notebook)
    notebook.metadata.aisecops.release = digest(release(notebook))
    return notebook


def release(source_notebook: NotebookNode) -> NotebookNode:
    """Return the version for learners: what ``nbgrader generate_assignment`` makes of the source.

    Runs nbgrader's own preprocessors with this course's settings, less the one that writes to the
    gradebook.
    """
    before, after = _release_preprocessors()
    return _processed(source_notebook, before + after)


def frame(source_notebook: NotebookNode) -> NotebookNode:
    """Return the version that nbgrader keeps in its gradebook: no solutions, but all the hidden tests.

    Learners' answers are put into it for grading.
    """
    before, _ = _release_preprocessors()
    return _processed(source_notebook, before)


def _processed(notebook: NotebookNode, preprocessors: list[type]) -> NotebookNode:
    from nbconvert.exporters import NotebookExporter

    exporter = NotebookExporter(config=_grader_config())
    for preprocessor in preprocessors:
        exporter.register_preprocessor(preprocessor, enabled=True)
    logging.getLogger("traitlets").setLevel(logging.ERROR)
    text, _ = exporter.from_notebook_node(nbformat.from_dict(json.loads(json.dumps(notebook))))
    return nbformat.reads(text, as_version=4)


def dumps(notebook: NotebookNode) -> str:
    """Return the bytes-stable text of a notebook, as nbconvert's exporter writes it."""
    return str(nbformat.writes(notebook, version=4)) + "\n"


def digest(notebook: NotebookNode) -> str:
    """Return a short digest of what a notebook says: cells and their roles, without outputs."""
    said = [
        (cell.cell_type, cell.get("id"), cell.source, cell.metadata.get("nbgrader"))
        for cell in notebook.cells
    ]
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:16]


def numbered(lab: Lab) -> list[tuple[Cell, str]]:
    """Pair each cell with its id. Cells without a role get one from their text, so ids survive moves."""
    seen: dict[str, list[Check]] = {}
    numbered = []
    for cell in lab.cells:
        match cell.role:
            case "exercise":
                id_ = f"{cell.name}-task"
            case "solution":
                id_ = f"{cell.name}-solution"
            case "tests" | "written":
                before = seen.setdefault(cell.name, [])
                id_ = cell_id(cell, before)
                before.append(Check(id_, cell.options["points"], cell.role == "written"))
            case "scratch":
                id_ = f"{cell.name}-scratch"
            case _:
                id_ = f"{cell.kind}-{hashlib.sha256(cell.source.encode()).hexdigest()[:8]}"
        numbered.append((cell, id_))
    return numbered


def _make_ids_unique(cells: list[NotebookNode]) -> None:
    seen: dict[str, int] = {}
    for cell in cells:
        count = seen[cell.id] = seen.get(cell.id, 0) + 1
        if count > 1:
            cell.id = f"{cell.id}-{count}"
            if "nbgrader" in cell.metadata:
                cell.metadata.nbgrader.grade_id = cell.id


def _compile_cell(pair: tuple[Cell, str], lab: Lab) -> NotebookNode:
    cell, id_ = pair
    text = cell.source
    match cell.role:
        case "exercise":
            exercise = next(e for e in lab.exercises if e.id == cell.name)
            return _cell(cell.kind, _with_facts(text, exercise), id_, locked=True)
        case "solution":
            return _cell(cell.kind, text, id_, solution=True)
        case "tests":
            return _cell(cell.kind, text, id_, locked=True, points=cell.options["points"])
        case "written":
            return _cell(cell.kind, text, id_, solution=True, points=cell.options["points"])
        case "" if cell.kind == "code":
            return _cell(cell.kind, text, id_, locked=True)
        case _:
            return _cell(cell.kind, text, id_)


def _cell(
    kind: str,
    text: str,
    id_: str,
    *,
    locked: bool = False,
    solution: bool = False,
    points: float | None = None,
) -> NotebookNode:
    metadata: dict[str, Any] = {}
    if locked or solution:
        metadata["nbgrader"] = {
            "grade": points is not None,
            "grade_id": id_,
            "locked": locked,
            "schema_version": NBGRADER_SCHEMA,
            "solution": solution,
            "task": False,
        }
        if points is not None:
            metadata["nbgrader"]["points"] = points
    make = nbformat.v4.new_code_cell if kind == "code" else nbformat.v4.new_markdown_cell
    return make(text, id=id_, metadata=metadata)


def _with_facts(text: str, exercise: Exercise) -> str:
    """Put the exercise's facts below its heading: objective, time, difficulty, points, standards."""
    heading, _, rest = text.partition("\n")
    facts = [
        f"objective {exercise.objective}",
        f"about {exercise.minutes} minutes",
        f"difficulty {exercise.difficulty} of 5",
        f"{exercise.points:g} points",
    ]
    standards = [f"{id_} {lookup(id_).name}" for id_ in exercise.standards]
    lines = [f"*{' · '.join(facts)}*"]
    if standards:
        lines.append(f"*Maps to {' · '.join(standards)}*")
    return "\n".join([heading, "", "  \n".join(lines), rest]).rstrip("\n")


def _header(lab: Lab, month: Month, roadmap: Roadmap) -> NotebookNode:
    phase = roadmap.phase_of(month.id)
    minutes = sum(exercise.minutes for exercise in lab.exercises)
    span = (
        f"Months {month.months[0]}–{month.months[-1]}"
        if len(month.months) > 1
        else f"Month {month.months[0]}"
    )
    lines = [
        f"# {span} · {month.title}",
        "",
        f"*{phase.id.replace('-', ' ').capitalize()}: {phase.title} · {len(lab.exercises)} exercises · "
        f"{sum(e.points for e in lab.exercises):g} points · about {minutes / 60:.0f} hours*",
        "",
        "**Objectives**",
        "",
        *(f"- `{objective.id}` {objective.text}" for objective in month.objectives),
        "",
        "**Resources**",
        "",
        *(f"- {_linked(resource.text)}" for resource in month.resources),
        "",
        f"**Milestone** {month.milestone.text}",
    ]
    return _cell("markdown", "\n".join(lines), "header", locked=True)


def _linked(resource: str) -> str:
    """Link a study text that the roadmap names in backticks, as seen from a month's folder on the desk."""
    before, tick, rest = resource.partition("`")
    path, _, after = rest.partition("`")
    return f"{before}[{path}](../resources/{path}){after}" if tick else resource


def _closing() -> list[NotebookNode]:
    return [
        _cell("markdown", "## Where you stand", "closing", locked=True),
        _cell(
            "code",
            "from aisecops.progress import PhaseProgress\n\nPhaseProgress()",
            "closing-chart",
            locked=True,
        ),
    ]


@cache
def _grader_config() -> Any:
    config = settings("grader_config.py")
    config.Exporter.default_preprocessors = []
    return config


def _release_preprocessors() -> tuple[list[type], list[type]]:
    """Return nbgrader's steps to a release, before and after it saves the cells to the gradebook."""
    from nbgrader.converters import GenerateAssignment
    from nbgrader.preprocessors import SaveCells

    steps: list[type] = GenerateAssignment.class_traits()["preprocessors"].default(None)
    saving = steps.index(SaveCells)
    return steps[:saving], steps[saving + 1 :]
