"""What a learner hands in is read as hostile data, and an honest mishap costs no points."""

import copy
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nbformat import NotebookNode

from aisecops.build.compile import frame as frame_of
from aisecops.grading import intake
from aisecops.grading.intake import collect, repair
from tests.conftest import ROOT

MONTH = "month-01"
SOURCE = nbformat.read(ROOT / "source" / MONTH / f"{MONTH}.ipynb", as_version=4)
RELEASE = nbformat.read(ROOT / "release" / MONTH / f"{MONTH}.ipynb", as_version=4)
ANSWERS = {c.id: c.source for c in SOURCE.cells if c.metadata.get("nbgrader", {}).get("solution")}


@pytest.fixture(scope="module")
def frame() -> NotebookNode:
    return frame_of(SOURCE)


def solved() -> dict[str, Any]:
    notebook: dict[str, Any] = json.loads(json.dumps(RELEASE))
    for cell in notebook["cells"]:
        cell["source"] = ANSWERS.get(cell["id"], cell["source"])
    return notebook


def raw(notebook: dict[str, Any]) -> bytes:
    return json.dumps(notebook).encode()


def cell_of(notebook: dict[str, Any], name: str) -> dict[str, Any]:
    return next(cell for cell in notebook["cells"] if cell["id"] == name)


def place_of(notebook: dict[str, Any], name: str) -> int:
    return notebook["cells"].index(cell_of(notebook, name))


def own(source: str, **more: Any) -> dict[str, Any]:
    return {
        "cell_type": "code",
        "source": source,
        "metadata": {},
        "outputs": [],
        "execution_count": 1,
        **more,
    }


def check(result: intake.Intake, frame: NotebookNode) -> NotebookNode:
    """The frame's cells stand in the result once, in their order, with their metadata."""
    assert result.notebook is not None, result.needs_person
    nbformat.validate(result.notebook)
    ids = {cell.id for cell in frame.cells}
    kept = [cell for cell in result.notebook.cells if cell.id in ids]
    assert [(c.id, c.cell_type, c.metadata) for c in kept] == [
        (c.id, c.cell_type, c.metadata) for c in frame.cells
    ]
    for cell, master in zip(kept, frame.cells, strict=True):
        if master.metadata.get("nbgrader", {}).get("locked"):
            assert cell.source == master.source
    assert all(not cell.get("outputs") for cell in result.notebook.cells)
    return result.notebook


def answers_of(notebook: NotebookNode) -> dict[str, str]:
    return {cell.id: cell.source for cell in notebook.cells if cell.id in ANSWERS}


def test_honest_work_passes_without_a_note(frame: NotebookNode) -> None:
    for notebook in (json.loads(json.dumps(RELEASE)), solved()):
        result = repair(raw(notebook), frame)
        assert result.notes == ()
        assert answers_of(check(result, frame)) == {
            cell["id"]: cell["source"] for cell in notebook["cells"] if cell["id"] in ANSWERS
        }


def remove(*names: str) -> Callable[[dict[str, Any]], None]:
    def change(notebook: dict[str, Any]) -> None:
        notebook["cells"] = [cell for cell in notebook["cells"] if cell["id"] not in names]

    return change


def edit(name: str, **changes: Any) -> Callable[[dict[str, Any]], None]:
    return lambda notebook: cell_of(notebook, name).update(changes)


def mark(name: str, **changes: Any) -> Callable[[dict[str, Any]], None]:
    return lambda notebook: cell_of(notebook, name)["metadata"]["nbgrader"].update(changes)


def double(name: str, source: str | None = None) -> Callable[[dict[str, Any]], None]:
    def change(notebook: dict[str, Any]) -> None:
        twin = copy.deepcopy(cell_of(notebook, name))
        twin["source"] = twin["source"] if source is None else source
        notebook["cells"].insert(place_of(notebook, name) + 1, twin)

    return change


def nameless(notebook: dict[str, Any]) -> None:
    for cell in notebook["cells"]:
        cell["metadata"] = {}
        del cell["id"]


def move_to_the_end(name: str) -> Callable[[dict[str, Any]], None]:
    return lambda notebook: notebook["cells"].append(notebook["cells"].pop(place_of(notebook, name)))


SURGERY: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "a check is deleted": (remove("rates"), "missing cells were put back: rates"),
    "a check is emptied": (edit("rates", source=""), "changed cells of the instructor's are as they were: rates"),
    "a check is doubled": (double("rates"), "copies of the instructor's cells were left out: rates"),
    "a check is made text": (edit("rates", cell_type="markdown"), "the type of cells is again what it was: rates"),
    "an answer is doubled": (double("rates-solution"), "answers in several cells were put together"),
    "points are raised": (mark("rates", points=1000), ""),
    "a check is unlocked": (mark("rates", locked=False, solution=True), ""),
    "outputs are prefilled": (edit("rates", outputs=[{"output_type": "execute_result", "data": {"text/plain": "100"}}]), ""),
    "an answer loses its name": (
        lambda notebook: cell_of(notebook, "rates-solution").update(id="other", metadata={}),
        "cells without their names were told by their places: rates-solution",
    ),
    "a check is moved": (move_to_the_end("rates"), "moved cells are in their places again: rates"),
    "all names are lost": (nameless, "told by their places"),
    "junk in the metadata": (lambda notebook: notebook["metadata"].update(widgets={"x": [1]}, kernelspec={"argv": ["sh"]}), ""),
    "no nbformat": (lambda notebook: notebook.pop("nbformat"), ""),
    "an invented graded cell": (
        lambda notebook: notebook["cells"].append(own("1", id="mine", metadata={"nbgrader": {"grade": True, "points": 50, "grade_id": "mine"}})),
        "they are ordinary ones",
    ),
    "a malformed cell": (lambda notebook: notebook["cells"].append({"cell_type": 3, "source": {}}), "1 cells were malformed"),
    "half a character": (edit("rates-solution", source=ANSWERS["rates-solution"] + "\n# \ud83d"), "halves of characters"),
}  # fmt: skip


@pytest.mark.parametrize("name", SURGERY)
def test_surgery_is_undone_and_right_answers_stay(name: str, frame: NotebookNode) -> None:
    change, says = SURGERY[name]
    notebook = solved()
    change(notebook)
    result = repair(raw(notebook), frame)
    got = answers_of(check(result, frame))
    assert says in " | ".join(result.notes)
    assert (says == "") == (result.notes == ())
    for answer, source in ANSWERS.items():
        assert got[answer].startswith(source), answer


def test_an_answer_in_two_cells_is_put_together(frame: NotebookNode) -> None:
    notebook = solved()
    head, tail = "import math", ANSWERS["rates-solution"]
    cell_of(notebook, "rates-solution")["source"] = head
    double("rates-solution", tail)(notebook)
    got = answers_of(check(repair(raw(notebook), frame), frame))
    assert got["rates-solution"] == f"{head}\n\n{tail}"


def test_the_learners_own_cells_stay_where_they_were(frame: NotebookNode) -> None:
    notebook = solved()
    notebook["cells"].insert(0, own("first = 1", id="bad id!"))
    notebook["cells"].insert(place_of(notebook, "rates-solution") + 1, own("second = 2", id="rates"))
    cells = check(repair(raw(notebook), frame), frame).cells
    assert cells[0].source == "first = 1"
    sources = [cell.source for cell in cells]
    assert sources.index("second = 2") == [cell.id for cell in cells].index("rates-solution") + 1


def test_an_answer_that_was_moved_up_also_stays_there(frame: NotebookNode) -> None:
    notebook = solved()
    cell = notebook["cells"].pop(place_of(notebook, "threshold-solution"))
    notebook["cells"].insert(place_of(notebook, "rates-solution"), cell)
    result = repair(raw(notebook), frame)
    sources = [cell.source for cell in check(result, frame).cells]
    assert sources.count(ANSWERS["threshold-solution"]) == 2
    assert sources.index(ANSWERS["threshold-solution"]) < sources.index(ANSWERS["rates-solution"])
    assert result.notes == ("moved cells are in their places again: threshold-solution",)


HOPELESS = {
    "empty": (b"", "no JSON"),
    "no JSON": (b"hello", "no JSON in line 1"),
    "cut off": (raw({"nbformat": 4, "cells": []})[:-4], "no JSON"),
    "deep": (b"[" * 200_000, "nested more than 100 deep"),
    "deep objects": (b'{"a":' * 200_000, "nested more than 100 deep"),
    "an endless string": (b'"' + b'\\"' * 500_000, "no JSON"),
    "a list": (b"[]", "no notebook"),
    "no cells": (b"{}", "has no cells"),
    "cells that are none": (b'{"cells": 3}', "has no cells"),
    "from the future": (b'{"nbformat": 7, "cells": []}', "format '7'"),
    "not text": (b"\xff\xfe\x00\xd8\xff", "no text in UTF-8"),
    "latin-1": ('{"cells": "ä"}'.encode("latin-1"), "no text in UTF-8"),
    "a wrong format 3": (b'{"nbformat": 3, "worksheets": 7}', "format 3, but it is not"),
    "too many cells": (raw({"cells": [{}] * 3000}), "3,000 cells"),
    "too much text": (raw({"cells": [own("x" * (2 << 20))]}), "MiB of text"),
    "another month": (raw({"cells": [], "metadata": {"aisecops": {"notebook": "month-07"}}}), "this seems to be month-07"),
    "another notebook": (raw({"cells": [own("1")], "metadata": {"aisecops": {"notebook": "<script>"}}}), "this seems to be another notebook"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOPELESS)
def test_what_cannot_be_repaired_needs_a_person(name: str, frame: NotebookNode) -> None:
    content, says = HOPELESS[name]
    result = repair(content, frame)
    assert result.notebook is None
    assert says in result.needs_person
    assert "could not be read" not in result.needs_person, "this is a case that we know"


def test_numbers_that_are_none_and_endless_ones_do_no_harm(frame: NotebookNode) -> None:
    text = raw(solved()).decode()
    for number in ("NaN", "-Infinity", "9" * 100_000):
        result = repair(text.replace('"nbformat_minor": 5', f'"nbformat_minor": {number}').encode(), frame)
        assert answers_of(check(result, frame)) == ANSWERS


def test_utf_16_and_a_byte_order_mark_are_read(frame: NotebookNode) -> None:
    text = json.dumps(solved(), ensure_ascii=False)
    for encoding in ("utf-8-sig", "utf-16"):
        assert answers_of(check(repair(text.encode(encoding), frame), frame)) == ANSWERS


WILD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)
FIELDS = ("cell_type", "source", "metadata", "id", "attachments", "outputs")


@st.composite
def operations(draw: st.DrawFn) -> list[tuple[Any, ...]]:
    place = st.integers(0, 200)
    one = st.one_of(
        st.tuples(st.just("delete"), place),
        st.tuples(st.just("double"), place),
        st.tuples(st.just("move"), place, place),
        st.tuples(st.just("set"), place, st.sampled_from(FIELDS), WILD),
        st.tuples(
            st.just("mark"), place, st.sampled_from(("grade_id", "points", "locked", "solution")), WILD
        ),
        st.tuples(st.just("insert"), place, WILD),
    )
    return draw(st.lists(one, max_size=12))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(operations())
def test_no_surgery_breaks_the_month(frame: NotebookNode, todo: list[tuple[Any, ...]]) -> None:
    notebook = solved()
    cells = notebook["cells"]
    for what, place, *more in todo:
        if not cells:
            break
        place %= len(cells)
        if what == "delete":
            del cells[place]
        elif what == "double":
            cells.insert(place, copy.deepcopy(cells[place]))
        elif what == "move":
            cells.insert(more[0] % len(cells), cells.pop(place))
        elif what == "insert":
            cells.insert(place, more[0])
        elif isinstance(cells[place], dict) and what == "set":
            cells[place][more[0]] = more[1]
        elif isinstance(cells[place], dict) and isinstance(cells[place].get("metadata"), dict):
            marks = cells[place]["metadata"].setdefault("nbgrader", {})
            if isinstance(marks, dict):
                marks[more[0]] = more[1]
    result = repair(raw(notebook), frame)
    assert "could not be read" not in result.needs_person
    check(result, frame)
    assert repair(raw(notebook), frame) == result, "the same bytes give the same notebook"


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300) | WILD.map(lambda value: json.dumps(value).encode()))
def test_no_bytes_raise(frame: NotebookNode, content: bytes) -> None:
    result = repair(content, frame)
    assert (result.notebook is None) == bool(result.needs_person)
    assert "could not be read" not in result.needs_person


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "submitted" / "ada" / MONTH
    place.mkdir(parents=True)
    (place / f"{MONTH}.ipynb").write_bytes(b"{}")
    (tmp_path / "secret").write_text("the hidden tests")
    return place


def test_files_are_taken_as_they_are(folder: Path) -> None:
    (folder / "data").mkdir()
    (folder / "data" / "ä.csv").write_text("1,2")
    (folder / "timestamp.txt").write_text("2026-11-02 10:00:00 UTC")
    (folder / ".ipynb_checkpoints").mkdir()
    (folder / ".ipynb_checkpoints" / "x").write_text("")
    handed = collect(folder, MONTH)
    assert handed == intake.Handed(b"{}", {"data/ä.csv": b"1,2"}, stamp=b"2026-11-02 10:00:00 UTC")


def link(folder: Path) -> None:
    (folder / "stolen").symlink_to(folder.parents[2] / "secret")


def link_to_folder(folder: Path) -> None:
    (folder / "stolen").symlink_to(folder.parents[2])


def hard_link(folder: Path) -> None:
    os.link(folder.parents[2] / "secret", folder / "stolen")


def large(folder: Path) -> None:
    with (folder / "stolen").open("wb") as file:
        file.truncate(2 << 30)


def deep(folder: Path) -> None:
    (folder / "1/2/3/4/5/6").mkdir(parents=True)


FILES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a symbolic link": (link, "'stolen' was left out: it is a symbolic link"),
    "a link to a folder": (link_to_folder, "it is a symbolic link"),
    "a hard link": (hard_link, "it is a hard link"),
    "a pipe": (lambda folder: os.mkfifo(folder / "stolen"), "it is no ordinary file"),
    "a sparse file of 2 GiB": (large, "it holds 2,048 MiB"),
    "folders without end": (deep, "'1/2/3/4/5' was left out: it lies more than 5 folders deep"),
    "a line break in a name": (lambda folder: (folder / "a\nb").write_text(""), "its name"),
    "a name that is no text": (lambda folder: Path(os.fsdecode(os.fsencode(folder) + b"/\xff")).write_text(""), "its name"),
    "a backslash": (lambda folder: (folder / "..\\x").write_text(""), "its name"),
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_what_is_no_ordinary_file_is_left_out(name: str, folder: Path) -> None:
    make, says = FILES[name]
    make(folder)
    handed = collect(folder, MONTH)
    assert handed.notebook == b"{}"
    assert handed.files == {}
    (note,) = handed.notes
    assert says in note
    assert note.isprintable()


def test_too_many_files_are_cut_off(folder: Path) -> None:
    for number in range(250):
        (folder / f"{number}").write_text("")
    handed = collect(folder, MONTH)
    assert len(handed.files) <= intake.MOST_FILES
    assert "more than 200 files" in handed.notes[0]


def test_the_notebook_may_have_another_name_but_only_one(folder: Path) -> None:
    (folder / f"{MONTH}.ipynb").rename(folder / "month-01 (1).ipynb")
    handed = collect(folder, MONTH)
    assert handed.notebook == b"{}"
    assert handed.notes == ("'month-01 (1).ipynb' was taken for month-01.ipynb",)
    (folder / "copy.ipynb").write_text("{}")
    assert "there is no month-01.ipynb, but 'copy.ipynb'" in collect(folder, MONTH).needs_person


@pytest.mark.parametrize("name", ["a link", "a link above", "nothing", "a file", "a large notebook"])
def test_a_folder_that_is_none_needs_a_person(name: str, folder: Path) -> None:
    real = folder.rename(folder.with_name("real"))
    if name == "a link":
        folder.symlink_to(real)
    elif name == "a link above":
        real.rename(folder)
        real = folder.parent.rename(folder.parent.with_name("bob"))
        folder.parent.symlink_to(real)
    elif name == "a file":
        folder.write_text("")
    elif name == "a large notebook":
        real.rename(folder)
        os.truncate(folder / f"{MONTH}.ipynb", 21 << 20)
    handed = collect(folder, MONTH)
    assert handed.notebook == b""
    wanted = "clear all outputs" if name == "a large notebook" else "its folder cannot be opened"
    assert wanted in handed.needs_person
