"""notebooks/ → source/ → release/: what an author relies on."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aisecops import exercises
from aisecops.build import START, build, files_of, report
from aisecops.build.read import read
from aisecops.course import CourseError
from aisecops.roadmap import load
from tests.conftest import ROOT, TINY_LAB

SOURCE, RELEASE = files_of("month-01")


def edit(course: Path, before: str, after: str) -> None:
    path = course / "notebooks" / "month-01.py"
    text = path.read_text(encoding="utf-8")
    assert before in text
    path.write_text(text.replace(before, after), encoding="utf-8")


def cells(path: Path) -> dict[str, nbformat.NotebookNode]:
    return {cell.id: cell for cell in nbformat.read(path, as_version=4).cells}


def test_release_holds_no_solution_no_hidden_test_and_no_model_answer(course: Path) -> None:
    build()
    text = (course / RELEASE).read_text(encoding="utf-8")
    for secret in ("min(numbers)", "-7", "model answer", "BEGIN SOLUTION", "HIDDEN"):
        assert secret not in text
    assert "write your solution here" in text
    assert "return the least of the numbers" in text


def test_a_lab_gets_header_facts_and_chart_from_the_roadmap(course: Path) -> None:
    build()
    said = cells(course / RELEASE)
    assert "Month 1 · AI Security Overview" in said["header"].source
    assert all(objective.text in said["header"].source for objective in load().month("m01").objectives)
    assert "objective m01.1 · about 10 minutes · difficulty 1 of 5 · 30 points" in said["first-task"].source
    assert "LLM01:2026 Prompt Injection" in said["first-task"].source
    assert "PhaseProgress" in said["closing-chart"].source


def test_cells_carry_the_metadata_that_nbgrader_grades_by(course: Path) -> None:
    build()
    said = cells(course / SOURCE)
    roles = {id_: cell.metadata.get("nbgrader") for id_, cell in said.items()}
    assert all(meta["grade_id"] == id_ and meta["schema_version"] == 3 for id_, meta in roles.items() if meta)
    assert roles["first"]["points"] == 20
    assert roles["first-2"]["points"] == 10
    assert (
        roles["first-solution"] | {"grade": False, "solution": True, "locked": False}
        == roles["first-solution"]
    )
    assert roles["essay-written"] | {"grade": True, "solution": True} == roles["essay-written"]
    assert roles["play-scratch"] is None, "a scratch cell may be changed"


def test_the_catalogue_tells_progress_what_there_is(course: Path) -> None:
    build()
    found = {exercise.id: exercise for exercise in exercises.load()}
    assert list(found) == ["first", "second", "third", "essay"]
    assert found["first"].points == 30
    assert [check.cell for check in found["first"].checks] == ["first", "first-2"]
    assert found["essay"].milestone
    assert found["essay"].checks[0].by_hand


def test_the_same_text_gives_the_same_bytes_in_another_process(course: Path) -> None:
    build()
    before = (course / SOURCE).read_bytes(), (course / RELEASE).read_bytes()
    shutil.rmtree(course / "source")
    shutil.rmtree(course / "release")
    shutil.rmtree(course / ".cache")
    command = [sys.executable, "-c", "from aisecops.build import build; build()"]
    subprocess.run(command, check=True, cwd=course, env={**os.environ, "PYTHONHASHSEED": "7"})
    assert ((course / SOURCE).read_bytes(), (course / RELEASE).read_bytes()) == before


def test_an_untouched_month_is_not_built_again(course: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build(record=True)
    monkeypatch.setattr("aisecops.build.read.read", lambda *_: pytest.fail("it was read again"))
    assert all(not result.changed for result in build())


def test_a_changed_word_is_built_and_reported(course: Path) -> None:
    build(record=True)
    edit(course, "A tiny lab.", "A small lab.")
    assert [result.changed for result in build() if result.changed] == [(SOURCE, RELEASE)]
    assert "A small lab." in (course / RELEASE).read_text(encoding="utf-8")


def test_recorded_outputs_survive_a_change_of_prose_and_go_with_a_change_of_code(course: Path) -> None:
    build(record=True)
    shown = cells(course / SOURCE)["play-scratch"].outputs
    assert "".join(output.text for output in shown) == "change me\n"
    edit(course, "A tiny lab.", "A small lab.")
    assert all(result.recorded for result in build())
    assert cells(course / SOURCE)["play-scratch"].outputs
    edit(course, "numbers = [3, 1, 2]", "numbers = [3, 2, 1]")
    built = build()
    assert not any(cell.get("outputs") for cell in cells(course / SOURCE).values())
    assert any("aisecops build --record month-01" in line for line in report(built))


def test_recording_twice_gives_the_same_bytes(course: Path) -> None:
    build(record=True)
    before = (course / SOURCE).read_bytes()
    build(["month-01"], record=True)
    assert (course / SOURCE).read_bytes() == before


def test_a_solution_that_fails_or_warns_is_not_recorded(course: Path) -> None:
    edit(course, "return max(numbers)", "return min(numbers)")
    with pytest.raises(CourseError, match="month-01 fails when it runs: AssertionError: return the largest"):
        build(record=True)
    edit(course, "return min(numbers)\n    ### END SOLUTION\n\n\n# %% tests=\"third\"",
         "import warnings\n    warnings.warn('old')\n    return max(numbers)\n    ### END SOLUTION\n\n\n# %% tests=\"third\"")  # fmt: skip
    with pytest.raises(CourseError, match="third of month-01 writes to stderr"):
        build(record=True)
    assert not (course / SOURCE).exists(), "nothing half-written"


def test_a_hand_edited_source_is_not_overwritten(course: Path) -> None:
    build()
    notebook = nbformat.read(course / SOURCE, as_version=4)
    notebook.cells[2].source = "numbers = [9]"
    nbformat.write(notebook, course / SOURCE)
    edited = (course / SOURCE).read_bytes()
    with pytest.raises(
        CourseError, match=r"source/month-01/month-01.ipynb was edited by hand.*notebooks/month-01.py"
    ):
        build()
    assert (course / SOURCE).read_bytes() == edited
    build(force=True)
    assert (course / SOURCE).read_bytes() != edited


def test_running_a_source_in_jupyter_is_no_edit(course: Path) -> None:
    build()
    notebook = nbformat.read(course / SOURCE, as_version=4)
    notebook.metadata.language_info["version"] = "3.13.1"
    notebook.cells[2].execution_count = 4
    nbformat.write(notebook, course / SOURCE)
    build()


def test_check_writes_nothing_and_names_what_is_stale(course: Path) -> None:
    build(record=True)
    assert not any(result.stale for result in build(check=True))
    edit(course, "A tiny lab.", "A small lab.")
    before = (course / RELEASE).read_bytes()
    stale = [result for result in build(check=True) if result.stale]
    assert [result.name for result in stale] == ["month-01"]
    assert report(stale, check=True) == [f"month-01 is stale: {SOURCE}, {RELEASE}"]
    assert (course / RELEASE).read_bytes() == before


def test_the_committed_files_of_the_course_are_fresh() -> None:
    # The same as `aisecops build --check`, which CI runs; kept here so that a plain pytest run tells too.
    previous = os.environ.get("AISECOPS_COURSE")
    os.environ["AISECOPS_COURSE"] = str(ROOT)
    try:
        assert [result for result in build(check=True) if result.stale] == []
    finally:
        os.environ.pop("AISECOPS_COURSE") if previous is None else os.environ.update(AISECOPS_COURSE=previous)


MISTAKES = {
    "a second exercise of the same name": (
        'exercise="second"', 'exercise="first"', r":\d+: exercise \"first\" exists already at line 7"),
    "a solution without tests": (
        '# %% tests="second" points=30', "# %%", r"solution=\"second\" has no tests=\"second\""),
    "tests before any exercise": (
        'tests="second"', 'tests="sekond"', r'tests="sekond" has no exercise="sekond" above it'),
    "an objective that nobody teaches": (
        'objective="m01.4"', 'objective="m01.1"', r"no exercise teaches objective m01.4"),
    "an objective of another month": ('objective="m01.4"', 'objective="m02.1"', "has no objective m02.1; it has m01.1"),
    "points that are missing": ("points=30", "points=29", "have 99 points together; make it 100"),
    "tests without points": (" points=30", "", r"a cell with tests= also needs points="),
    "an exercise without minutes": (" minutes=10 difficulty=2\n# ### The sum", " difficulty=2\n# ### The sum",
        "also needs minutes="),
    "a difficulty off the scale": ("difficulty=3", "difficulty=6", "difficulty= goes from 1 to 5"),
    "a standard under a wrong name": (
        "LLM01:2026 Prompt Injection", "LLM01:2026 Excessive Agency", r":7: .*Prompt Injection"),
    "a standard without edition": ("LLM01:2026 Prompt Injection", "LLM01", ":7: .*2026"),
    "an unknown option": ("difficulty=3", 'difficulty=3 dificulty="x"', "unknown cell option dificulty="),
    "a role on the wrong kind of cell": (
        '# %% solution="second"', '# %% [markdown] solution="second"', "is a code cell, not markdown"),
    "two roles": ('# %% solution="second"', '# %% solution="second" scratch="x"', "one role, not solution and scratch"),
    "an id that is none": ('scratch="play"', 'scratch="Play it"', "is no id"),
    "a region that is not closed": ("    return sum(numbers)\n    ### END SOLUTION", "    return sum(numbers)",
        "must come in pairs"),
    "a hidden test outside tests": ("numbers = [3, 1, 2]", "### BEGIN HIDDEN TESTS\n### END HIDDEN TESTS",
        "belongs into a cell with tests="),
    "a solution that learners would see": (
        "    ### BEGIN SOLUTION\n    return sum(numbers)\n    ### END SOLUTION", "    return sum(numbers)",
        "mark the part that learners write"),
    "code that does not parse": ("numbers = [3, 1, 2]", "numbers = [3, 1", "not valid Python"),
    "options that do not parse": ('scratch="play"', 'scratch="play', "cannot read the cell options"),
    "an exercise without heading": ("# ### The sum", "# The sum", "starts with a heading"),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_sentence_with_file_and_line(course: Path, mistake: str) -> None:
    before, after, sentence = MISTAKES[mistake]
    edit(course, before, after)
    with pytest.raises(CourseError, match=sentence) as caught:
        build()
    assert str(caught.value).startswith("notebooks/month-01.py:")
    assert "\n" not in str(caught.value)
    assert not (course / "source").exists(), "nothing half-written"


def test_one_id_in_two_months_is_refused(course: Path) -> None:
    other = TINY_LAB.replace('objective="m01', 'objective="m02').replace('"first"', '"premier"')
    (course / "notebooks" / "month-02.py").write_text(other, encoding="utf-8")
    with pytest.raises(CourseError, match=r'id "second.*month-01.py.*month-02.py'):
        build()


def test_a_notebook_that_does_not_exist_is_named(course: Path) -> None:
    with pytest.raises(
        CourseError, match=r"there is no notebooks/month-09.py; written so far: month-01, start-here"
    ):
        build(["month-09"])


def test_start_here_holds_no_exercises(course: Path) -> None:
    path = course / "notebooks" / f"{START}.py"
    path.write_text(TINY_LAB, encoding="utf-8")
    with pytest.raises(CourseError, match="teaches no month"):
        build([START])


def test_ids_stay_when_cells_move(course: Path) -> None:
    build()
    before = set(cells(course / RELEASE))
    edit(course, "# %% [markdown]\n# A tiny lab.\n\n# %%\nnumbers = [3, 1, 2]\n",
         "# %%\nnumbers = [3, 1, 2]\n\n# %% [markdown]\n# A tiny lab.\n")  # fmt: skip
    build()
    assert set(cells(course / RELEASE)) == before


def test_nbgrader_itself_makes_the_same_release(course: Path) -> None:
    build()
    ours = (course / RELEASE).read_bytes()
    command = [sys.executable, "-m", "nbgrader", "generate_assignment", "month-01", "--force"]
    subprocess.run(command, check=True, cwd=course, capture_output=True)
    assert (course / RELEASE).read_bytes() == ours


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_mangled_lab_is_read_or_refused_with_a_line(course: Path, data: st.DataObject) -> None:
    lines = TINY_LAB.splitlines()
    for _ in range(data.draw(st.integers(1, 3))):
        n = data.draw(st.integers(0, len(lines) - 1))
        match data.draw(st.sampled_from(["drop", "twice", "mangle"])):
            case "drop":
                lines[n] = ""
            case "twice":
                lines.insert(n, lines[n])
            case _:
                lines[n] = lines[n][: len(lines[n]) // 2] + data.draw(
                    st.text("\"'=#%[]{}\\ \t:é", max_size=5)
                )
    path = course / "notebooks" / "month-01.py"
    path.write_text("\n".join(lines), encoding="utf-8")
    try:
        lab = read(path, load().month("m01"))
    except CourseError as error:
        assert str(error).startswith("notebooks/month-01.py:")
    else:
        assert sum(exercise.points for exercise in lab.exercises) == 100


def test_a_file_that_is_not_text_is_refused(course: Path) -> None:
    (course / "notebooks" / "month-01.py").write_bytes(b"# %%\n\xff\xfe")
    with pytest.raises(CourseError, match="not UTF-8"):
        build()


def test_a_broken_catalogue_says_what_to_run(course: Path) -> None:
    build()
    path = course / "release" / "exercises.json"
    path.write_text(json.dumps([{"id": "x"}]), encoding="utf-8")
    exercises._load.cache_clear()
    with pytest.raises(CourseError, match="run `aisecops build`"):
        exercises.load()
