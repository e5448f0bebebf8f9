"""The learner's desk: opened once, never overwritten, newer releases merged beside."""

import os
from pathlib import Path

import nbformat
import pytest

from aisecops import desk
from aisecops.build import build
from aisecops.course import CourseError


@pytest.fixture
def opened(course: Path) -> Path:
    build()
    return desk.open_month("m01").path


def answer(path: Path, id_: str, source: str) -> None:
    notebook = nbformat.read(path, as_version=4)
    next(cell for cell in notebook.cells if cell.id == id_).source = source
    nbformat.write(notebook, path)


def release_anew(course: Path, before: str, after: str) -> None:
    path = course / "notebooks" / "month-01.py"
    path.write_text(path.read_text(encoding="utf-8").replace(before, after), encoding="utf-8")
    build()


@pytest.mark.parametrize("name", ["m01", "1", "month-01"])
def test_a_month_opens_under_every_name_people_use(course: Path, name: str) -> None:
    build()
    assert desk.open_month(name).path == course / "workspace" / "month-01" / "month-01.ipynb"


def test_opening_twice_keeps_the_learners_work(opened: Path) -> None:
    answer(opened, "first-solution", "def least(numbers):\n    return sorted(numbers)[0]")
    mine = opened.read_bytes()
    assert desk.open_month("m01").news == ""
    assert opened.read_bytes() == mine


def test_a_newer_release_is_reported_and_nothing_else_happens(course: Path, opened: Path) -> None:
    mine = opened.read_bytes()
    release_anew(course, "A tiny lab.", "A small lab.")
    assert "newer release of month-01" in desk.open_month("m01").news
    assert opened.read_bytes() == mine


def test_a_new_hidden_test_is_no_new_release(course: Path, opened: Path) -> None:
    release_anew(course, "least([-7, 5]) == -7", "least([-8, 5]) == -8")
    assert desk.open_month("m01").news == ""


def test_merging_brings_new_text_and_keeps_answers_and_own_cells(course: Path, opened: Path) -> None:
    answer(opened, "first-solution", "def least(numbers):\n    return sorted(numbers)[0]")
    answer(opened, "essay-written", "My own words.")
    notebook = nbformat.read(opened, as_version=4)
    position = [cell.id for cell in notebook.cells].index("first-solution")
    notebook.cells.insert(position + 1, nbformat.v4.new_code_cell("least([9])", id="mine"))
    nbformat.write(notebook, opened)
    mine = opened.read_bytes()
    release_anew(course, "Write `least(numbers)`.", "Write `least(numbers)` for a list.")

    merged = desk.merge_month("m01")

    assert opened.read_bytes() == mine, "the learner's own file is not touched"
    assert merged.parent == opened.parent
    result = nbformat.read(merged, as_version=4)
    nbformat.validate(result)
    sources = {cell.id: cell.source for cell in result.cells}
    assert "for a list" in sources["first-task"]
    assert "sorted(numbers)[0]" in sources["first-solution"]
    assert sources["essay-written"] == "My own words."
    ids = [cell.id for cell in result.cells]
    assert ids.index("mine") == ids.index("first-solution") + 1


def test_merging_again_makes_another_file(course: Path, opened: Path) -> None:
    release_anew(course, "A tiny lab.", "A small lab.")
    first, second = desk.merge_month("m01"), desk.merge_month("m01")
    assert first != second
    assert first.exists()


def test_an_answer_to_an_exercise_that_is_gone_is_kept(course: Path, opened: Path) -> None:
    answer(opened, "third-solution", "def largest(numbers):\n    return sorted(numbers)[-1]")
    release_anew(course, '"third"', '"biggest"')
    assert "sorted(numbers)[-1]" in desk.merge_month("m01").read_text(encoding="utf-8")


def test_a_month_that_is_not_written_yet_is_named(course: Path) -> None:
    build()
    with pytest.raises(CourseError, match="month-05 is not published yet"):
        desk.open_month("m05")
    with pytest.raises(CourseError, match="99"):
        desk.open_month("99")


def test_a_month_that_is_written_but_not_built_says_how_to_build_it(course: Path) -> None:
    with pytest.raises(CourseError, match="aisecops build month-01"):
        desk.open_month("m01")


def test_a_broken_notebook_on_the_desk_stays_as_it_is(opened: Path) -> None:
    opened.write_text("{", encoding="utf-8")
    assert desk.open_month("m01").path == opened
    with pytest.raises(CourseError, match="is not a notebook"):
        desk.merge_month("m01")
    assert opened.read_text(encoding="utf-8") == "{"


def test_merging_what_was_never_opened_says_so(course: Path) -> None:
    build()
    with pytest.raises(CourseError, match="not on your desk yet"):
        desk.merge_month("m01")


def test_a_desk_that_cannot_be_made_is_one_sentence(course: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build()
    (course / "file").write_text("", encoding="utf-8")
    monkeypatch.setenv("AISECOPS_DESK", str(course / "file" / "desk"))
    with pytest.raises(CourseError, match="cannot write"):
        desk.open_month("m01")


def test_study_texts_lie_on_the_desk(course: Path, opened: Path) -> None:
    (course / "resources" / "text.md").write_text("text", encoding="utf-8")
    assert (course / "workspace" / "resources" / "text.md").read_text(encoding="utf-8") == "text"


def test_a_course_that_was_moved_finds_its_study_texts_again(course: Path, opened: Path) -> None:
    link = course / "workspace" / "resources"
    link.unlink()
    link.symlink_to(course / "where-it-was", target_is_directory=True)
    desk.open_month("m01")
    assert link.resolve() == course / "resources"


def test_the_server_path_is_relative_to_what_is_served(
    course: Path, opened: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert desk.open_month("m01").server_path == "month-01/month-01.ipynb"
    monkeypatch.setenv("AISECOPS_SERVER_ROOT", str(course))
    assert desk.open_month("m01").server_path == "workspace/month-01/month-01.ipynb"
    monkeypatch.setenv("AISECOPS_SERVER_ROOT", os.sep + "elsewhere")
    assert desk.open_month("m01").server_path == str(opened)
