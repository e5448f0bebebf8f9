"""An instructor grades a class with `aisecops grade`, which can be interrupted, repeated and spread out."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbgrader.api import Gradebook

from aisecops.build import build
from aisecops.grading import batch, sandbox

MONTH = "month-01"
SANDBOX = not sandbox.works()  # where submissions cannot be locked in, the rest is tested all the same

pytestmark = pytest.mark.flow

RIGHT = {
    "first-solution": "def least(numbers):\n    return min(numbers)",
    "second-solution": "def total(numbers):\n    return sum(numbers)",
    "third-solution": "def largest(numbers):\n    return max(numbers)",
}
WRONG = {"first-solution": "def least(numbers):\n    return numbers[0]"}
POINTS = 80  # automatic ones of the tiny lab


class Class:
    """A course with a class whose submissions wait."""

    def __init__(self, root: Path) -> None:
        self.root = root
        build()
        self.release = nbformat.read(root / "release" / MONTH / f"{MONTH}.ipynb", as_version=4)

    def hand_in(self, student: str, answers: dict[str, str], remark: str = "") -> Path:
        notebook = nbformat.from_dict(json.loads(json.dumps(self.release)))
        if remark:
            notebook.cells.append(nbformat.v4.new_markdown_cell(remark))
        for cell in notebook.cells:
            cell.source = answers.get(cell.id, cell.source)
        folder = self.root / "submitted" / student / MONTH
        folder.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, folder / f"{MONTH}.ipynb")
        return folder

    def grade(self, **options: Any) -> dict[str, float | str]:
        """Grade; give each student's points, or why they need a person."""
        steps = batch.grade(MONTH, batch.Options(sandbox=SANDBOX, **options))
        return {step.student: step.graded.needs_person or step.graded.score for step in steps}

    def configure(self, *lines: str) -> None:
        with (self.root / "nbgrader_config.py").open("a", encoding="utf-8") as config:
            config.write("\n".join(["", "c = get_config()", *lines, ""]))

    def command(self, *arguments: str, **more: Any) -> subprocess.Popen[str]:
        environment = {**os.environ, "AISECOPS_COURSE": str(self.root), **more}
        command = [sys.executable, "-m", "aisecops.cli", "grade", "m01", *arguments]
        if not SANDBOX:
            command.append("--no-sandbox")
        return subprocess.Popen(
            command, cwd=self.root, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    def recorded(self) -> dict[str, float]:
        with Gradebook(f"sqlite:///{self.root / 'gradebook.db'}") as gradebook:
            return {s.student.id: s.score for s in gradebook.assignment_submissions(MONTH)}

    def graded(self, student: str) -> nbformat.NotebookNode:
        return nbformat.read(self.root / "autograded" / student / MONTH / f"{MONTH}.ipynb", as_version=4)


@pytest.fixture
def room(course: Path) -> Class:
    return Class(course)


def test_a_class_is_graded_and_recorded(room: Class) -> None:
    room.hand_in("ada", {**RIGHT, "essay-written": "Because."})
    room.hand_in("bob", {})
    room.hand_in(
        "eve", {**RIGHT, **WRONG}, "**My** <script>steal()</script><img src=x onerror=steal()> remark"
    )
    done = room.command("--workers", "2", "--feedback")
    out, err = done.communicate(timeout=300)
    assert done.returncode == 0, err
    assert "3 submissions, 3 of them graded now" in out
    assert "automatic points: 0 to 80, median 60" in out
    assert "1 wait for points by hand" in out
    assert room.recorded() == {"ada": POINTS, "bob": 0, "eve": 60}
    for student in ("ada", "bob", "eve"):
        nbformat.validate(room.graded(student))
        assert (room.root / "feedback" / student / MONTH / f"{MONTH}.html").is_file()
    page = (room.root / "feedback" / "eve" / MONTH / f"{MONTH}.html").read_text(encoding="utf-8")
    assert "negative numbers count too" in page or "return the least" in page, "feedback gives the reason"
    assert "least([-7, 5])" not in page, "and not the hidden test"
    assert "<strong>My</strong>" in page
    assert "<script>steal" not in page, "what a learner writes is no program in anybody's browser"
    assert "<img src=x" not in page


def test_what_is_graded_is_not_graded_again_unless_it_changed(room: Class) -> None:
    room.hand_in("ada", RIGHT)
    room.hand_in("bob", {})
    assert room.grade() == {"ada": POINTS, "bob": 0}
    assert {step.student: step.new for step in batch.grade(MONTH, batch.Options(sandbox=SANDBOX))} == {
        "ada": False,
        "bob": False,
    }
    room.hand_in("bob", RIGHT)
    again = {step.student: step.new for step in batch.grade(MONTH, batch.Options(sandbox=SANDBOX))}
    assert again == {"ada": False, "bob": True}
    assert room.recorded() == {"ada": POINTS, "bob": POINTS}
    forced = batch.grade(MONTH, batch.Options(students="a*", force=True, sandbox=SANDBOX))
    assert [(step.student, step.new) for step in forced] == [("ada", True)]


def test_a_class_is_not_held_in_memory(room: Class) -> None:
    room.hand_in("ada", RIGHT)
    for _ in ("graded now", "graded before"):
        (step,) = batch.grade(MONTH, batch.Options(sandbox=SANDBOX))
        assert not step.graded.notebook


def test_points_given_by_hand_stay_when_a_submission_is_graded_again(room: Class) -> None:
    room.hand_in("ada", {**RIGHT, "essay-written": "Because."})
    room.grade()
    with Gradebook(f"sqlite:///{room.root / 'gradebook.db'}") as gradebook:
        grade = gradebook.find_grade("essay-written", MONTH, MONTH, "ada")
        grade.manual_score, grade.needs_manual_grade = 15, False
        gradebook.db.commit()
    room.grade(force=True)
    assert room.recorded() == {"ada": POINTS + 15}


@pytest.mark.parametrize("recorded", [0, 5])
def test_a_batch_that_is_killed_goes_on_with_nothing_lost_and_nothing_twice(
    room: Class, recorded: int
) -> None:
    students = [f"s{number:02}" for number in range(12)]
    for number, student in enumerate(students):
        room.hand_in(student, RIGHT if number % 2 else {})
    room.configure("c.Autograde.batch = 1")
    killed = room.command("--workers", "2", PYTHONUNBUFFERED="1")
    assert killed.stdout is not None
    seen = []
    for line in killed.stdout:
        if re.match(r"\s+s\d\d:", line):
            seen.append(line.split(":")[0].strip())
        if len(seen) > recorded:
            break
    os.kill(killed.pid, signal.SIGKILL)
    killed.communicate()
    steps = {step.student: step for step in batch.grade(MONTH, batch.Options(sandbox=SANDBOX))}
    assert sorted(steps) == students
    assert not any(steps[student].new for student in seen), "what was recorded is not graded twice"
    expected = {student: POINTS if number % 2 else 0 for number, student in enumerate(students)}
    assert {student: step.graded.score for student, step in steps.items()} == expected
    assert room.recorded() == expected
    for student in students:
        nbformat.validate(room.graded(student))


def test_a_result_that_was_not_recorded_is_recorded_without_grading(
    room: Class, monkeypatch: pytest.MonkeyPatch
) -> None:
    from aisecops.grading import gradebook, workers

    room.hand_in("ada", RIGHT)

    def broken(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(gradebook, "record", broken)
        with pytest.raises(KeyboardInterrupt):
            room.grade()
    monkeypatch.setattr(workers, "grade", broken)
    assert room.grade() == {"ada": POINTS}
    assert room.recorded() == {"ada": POINTS}


def test_one_broken_submission_does_not_touch_the_others(room: Class) -> None:
    room.hand_in("ada", RIGHT)
    folder = room.hand_in("bob", RIGHT)
    (folder / f"{MONTH}.ipynb").write_text("no notebook at all", encoding="utf-8")
    room.hand_in("eve", RIGHT)
    result = room.grade()
    assert result["ada"] == result["eve"] == POINTS
    assert "JSON" in str(result["bob"])
    with Gradebook(f"sqlite:///{room.root / 'gradebook.db'}") as gradebook:
        assert all(
            grade.needs_manual_grade and grade.auto_score is None
            for grade in gradebook.find_submission_notebook(MONTH, MONTH, "bob").grades
        )
    assert "A person has to look at this" in room.graded("bob").cells[0].source


def test_late_work_loses_what_the_plugin_says(room: Class) -> None:
    import datetime

    folder = room.hand_in("ada", RIGHT)
    (folder / "timestamp.txt").write_text("2026-11-02 10:00:00 UTC", encoding="utf-8")
    (room.root / "late.py").write_text(
        "from nbgrader.plugins import BasePlugin\n\n\nclass Half(BasePlugin):\n"
        "    def late_submission_penalty(self, student, score, seconds):\n        return score / 2\n",
        encoding="utf-8",
    )
    room.configure(
        f"import sys; sys.path.insert(0, {str(room.root)!r})",
        "c.AssignLatePenalties.plugin_class = 'late.Half'",
    )
    with Gradebook(f"sqlite:///{room.root / 'gradebook.db'}") as gradebook:
        gradebook.update_or_create_assignment(MONTH, duedate=datetime.datetime(2026, 11, 1))
    room.grade()
    with Gradebook(f"sqlite:///{room.root / 'gradebook.db'}") as gradebook:
        notebook = gradebook.find_submission_notebook(MONTH, MONTH, "ada")
        assert (notebook.score, notebook.late_submission_penalty) == (POINTS, POINTS / 2)


@pytest.fixture
def cluster(room: Class) -> Iterator[Any]:
    """Three worker processes on this machine, which know nothing of the course."""
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=3, threads_per_worker=1, host="127.0.0.1", dashboard_address=None, protocol="tcp"
        ) as running,
    ):
        yield running


def test_a_cluster_grades_alike_and_survives_the_death_of_a_worker(room: Class, cluster: Any) -> None:
    students = [f"s{number:02}" for number in range(9)]
    for number, student in enumerate(students):
        room.hand_in(student, RIGHT if number % 2 else {**RIGHT, **WRONG})
    results = {}
    options = batch.Options(scheduler=cluster.scheduler_address, sandbox=SANDBOX)
    for step in batch.grade(MONTH, options):
        if not results:
            os.kill(next(iter(cluster.workers.values())).pid, signal.SIGKILL)
        results[step.student] = step.graded.needs_person or step.graded.score
    assert results == {student: POINTS if number % 2 else 60 for number, student in enumerate(students)}
    assert room.recorded() == results


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--students", "nobody*"], "no submission of month-01 by a student like 'nobody*'"),
        (["--scheduler", "tcp://127.0.0.1:9"], "no Dask scheduler answers at tcp://127.0.0.1:9"),
    ],
)
def test_bad_input_is_one_sentence(room: Class, arguments: list[str], says: str) -> None:
    room.hand_in("ada", RIGHT)
    done = room.command(*arguments)
    _, err = done.communicate(timeout=300)
    assert done.returncode == 2
    assert says in err.splitlines()[-1]
    assert not (room.root / "autograded").exists()


def test_the_formgraders_button_and_nbgraders_command_grade_alike(room: Class) -> None:
    room.hand_in("ada", {**RIGHT, **WRONG})
    environment = {**os.environ, "AISECOPS_COURSE": str(room.root)}
    option = [] if SANDBOX else ["--Autograde.sandbox=False"]
    script = (
        "import sys\nfrom nbgrader.apps import NbGraderAPI\nfrom nbgrader.apps.nbgraderapp import NbGraderApp\n"
        "app = NbGraderApp()\napp.initialize([])\n"
        f"app.config.Autograde.sandbox = {SANDBOX}\n"
        "from nbgrader.coursedir import CourseDirectory\n"
        "api = NbGraderAPI(CourseDirectory(config=app.config), config=app.config)\n"
        f"result = api.autograde({MONTH!r}, 'ada')\nprint(result)\n"
    )
    for command in (
        [sys.executable, "-m", "nbgrader", "autograde", MONTH, *option],
        [sys.executable, "-c", script],
    ):
        done = subprocess.run(command, cwd=room.root, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-2000:]
        assert room.recorded() == {"ada": 60}, done.stdout + done.stderr
    assert "'success': True" in done.stdout
