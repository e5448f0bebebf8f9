"""The instructor's whole stock flow, with nbgrader's real commands, on the real month 1."""

import csv
import json
import os
import re
import shutil
import socket
import subprocess
import sys
from html import unescape
from pathlib import Path

import nbformat
import pytest
from nbgrader.api import Gradebook
from playwright.sync_api import Browser, expect

from aisecops import exercises
from aisecops.grading import sandbox
from aisecops.grading.names import defined
from aisecops.quality.answers import load_cheats
from tests.conftest import ARTIFACTS, ROOT, running_lab

MONTH = "month-01"
CHECKS = {
    check.cell: check
    for exercise in exercises.load(ROOT / "release" / "exercises.json")
    if exercise.notebook == MONTH
    for check in exercise.checks
}
UNLOCKED = sandbox.works()  # why submissions cannot be locked in on this machine; empty if they can
AUTOMATIC = sum(check.points for check in CHECKS.values() if not check.by_hand)

pytestmark = pytest.mark.flow


class Classroom:
    """A course root of its own, and a way to run nbgrader in it."""

    def __init__(self, folder: Path) -> None:
        self.root = folder
        for name in ("roadmap.yaml", "grader_config.py", "nbgrader_config.py"):
            shutil.copy(ROOT / name, folder / name)
        for name in ("source", "release"):
            shutil.copytree(ROOT / name, folder / name)
        self.environment = {
            key: value for key, value in os.environ.items() if not key.startswith(("AISECOPS_", "COV"))
        }
        self.environment |= {"AISECOPS_COURSE": str(folder), "USER": "ada", "LOGNAME": "ada"}

    def nbgrader(self, *arguments: str) -> str:
        command = [sys.executable, "-m", "nbgrader", *arguments]
        done = subprocess.run(command, cwd=self.root, env=self.environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stderr

    def notebook(self, folder: str) -> nbformat.NotebookNode:
        return nbformat.read(self.root / folder / MONTH / f"{MONTH}.ipynb", as_version=4)

    def hand_in(self, student: str, notebook: nbformat.NotebookNode) -> None:
        folder = self.root / "submitted" / student / MONTH
        folder.mkdir(parents=True)
        nbformat.write(notebook, folder / f"{MONTH}.ipynb")

    def scores(self, student: str) -> dict[str, float]:
        with Gradebook(f"sqlite:///{self.root / 'gradebook.db'}") as gradebook:
            submission = gradebook.find_submission_notebook(MONTH, MONTH, student)
            return {grade.name: grade.score for grade in submission.grades}


def change(notebook: nbformat.NotebookNode, **sources: str) -> nbformat.NotebookNode:
    """Return a copy with some cells' sources replaced; underscores stand for dashes."""
    copy = nbformat.from_dict(json.loads(json.dumps(notebook)))
    byname = {cell.id: cell for cell in copy.cells}
    for name, source in sources.items():
        byname[name.replace("_", "-")].source = source
    return copy


def submissions_of_a_class(
    release: nbformat.NotebookNode, source: nbformat.NotebookNode
) -> dict[str, tuple[nbformat.NotebookNode, float]]:
    """Return notebooks of different quality, each with the automatic score it deserves."""
    answers = {cell.id: cell.source for cell in source.cells if cell.id.endswith(("-solution", "-written"))}
    solved = change(release, **{name.replace("-", "_"): text for name, text in answers.items()})
    points = {name: sum(c.points for c in CHECKS.values() if not c.by_hand and c.cell.split("-2")[0].split("-3")[0] == name)
              for name in ("rates", "threshold", "leak", "good-words", "briefing")}  # fmt: skip

    half = change(
        release,
        **{f"{name}_solution": answers[f"{name}-solution"] for name in ("rates", "threshold", "leak")},
    )
    typo = change(
        solved, rates_solution=answers["rates-solution"].replace("def rates(", "def rates("[:-1] + "((")
    )
    boundary = change(solved, rates_solution=answers["rates-solution"].replace(">= threshold", "> threshold"))
    memorised = change(solved, threshold_solution=(
        "def cheapest_threshold(labels, scores, cost_miss, cost_alarm, prevalence):\n"
        "    return 0.4 if cost_miss > cost_alarm and prevalence == 0.5 else 0.7\n"
    ))  # fmt: skip
    no_cap = change(solved, leak_solution=answers["leak-solution"].replace(
        'split = GroupShuffleSplit(n_splits=1, test_size=share, random_state=seed)', 'split = GroupShuffleSplit(n_splits=1, test_size=share, random_state=0)'))  # fmt: skip
    own_cells = change(solved)
    own_cells.cells.insert(5, nbformat.v4.new_code_cell("mine = 1\nprint('my notes')", id="mine"))
    own_cells.cells.append(nbformat.v4.new_code_cell("1 / 0", id="also-mine"))
    noisy = change(
        solved, good_words_solution=answers["good-words-solution"] + "\n\nprint('progress', '.' * 200)"
    )
    gives_up = change(
        solved, good_words_solution="def good_words(weights, bias, present, threshold):\n    return None\n"
    )
    return {
        "01-everything": (solved, AUTOMATIC),
        "02-nothing": (change(release), 0),
        "03-first-part": (half, points["rates"] + points["threshold"] + points["leak"]),
        "04-syntax-error": (typo, AUTOMATIC - points["rates"] - points["briefing"]),
        "05-boundary": (boundary, AUTOMATIC - points["rates"]),
        "06-memorised": (memorised, AUTOMATIC - points["threshold"]),
        "07-half-right": (no_cap, AUTOMATIC - CHECKS["leak-2"].points),
        "08-own-cells": (own_cells, AUTOMATIC),
        "09-noisy": (noisy, AUTOMATIC),
        "10-gives-up": (gives_up, AUTOMATIC - points["good-words"] - points["briefing"]),
        "11-cheats": (cheating(release), 0),
        "12-burglar": (burglary(solved), AUTOMATIC),
    }


def cheating(release: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """A notebook with another cheat in each exercise, and no answer."""
    copy = change(release)
    tasks = [cell for cell in copy.cells if cell.id.endswith("-solution")]
    cheats = load_cheats(ROOT)
    assert len(cheats) <= len(tasks)
    for cell, cheat in zip(tasks, cheats, strict=False):
        cell.source = f"FUNCTIONS = {defined(cell.source)!r}\n{cheat.source}"
    return copy


BURGLARY = """
import os, socket
from pathlib import Path

reached = []
for place in {places!r}:
    try:
        reached.append(place if list(Path(place).iterdir()) else "")
    except NotADirectoryError:
        reached.append(place)
    except OSError:
        pass
try:
    socket.create_connection(("127.0.0.1", {port}), 5)
    reached.append("network")
except OSError:
    pass
try:
    Path({places!r}[0]).write_text("all mine")
    reached.append("gradebook")
except OSError:
    pass
reached += [entry for entry in os.listdir("/proc") if entry.isdigit() and int(entry) > 20]
reached += [name for name in os.environ if "AISECOPS" in name]
print("reached:", reached)
"""


def burglary(solved: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """An honest month with a cell that looks around on the grader's machine."""
    copy = change(solved)
    copy.cells.append(nbformat.v4.new_code_cell(BURGLARY, id="burglary"))
    return copy


@pytest.fixture(scope="module")
def classroom(tmp_path_factory: pytest.TempPathFactory) -> Classroom:
    """A class whose submissions have gone through the whole flow; the first by way of the exchange."""
    room = Classroom(tmp_path_factory.mktemp("classroom"))
    room.nbgrader("generate_assignment", MONTH, "--force")
    room.nbgrader("release_assignment", MONTH)
    room.nbgrader("fetch_assignment", MONTH)
    fetched = room.root / "workspace" / MONTH / f"{MONTH}.ipynb"
    submissions = submissions_of_a_class(room.notebook("release"), room.notebook("source"))
    room.expected = {student: score for student, (_, score) in submissions.items()}
    first, *others = submissions
    nbformat.write(submissions[first][0], fetched)
    room.nbgrader("submit", MONTH)
    room.nbgrader("collect", MONTH)
    (collected,) = (room.root / "submitted").iterdir()
    collected.rename(collected.with_name(first))
    decoy = socket.create_server(("127.0.0.1", 0))
    burglar = next(cell for cell in submissions["12-burglar"][0].cells if cell.id == "burglary")
    places = [
        room.root / "gradebook.db",
        room.root / "source",
        room.root / "submitted",
        ROOT / "source",
        ROOT / "notebooks",
    ]
    burglar.source = BURGLARY.format(places=[str(place) for place in places], port=decoy.getsockname()[1])
    for student in others:
        room.hand_in(student, submissions[student][0])
    room.log = room.nbgrader("autograde", MONTH, *(["--Autograde.sandbox=False"] if UNLOCKED else []))
    return room


def test_submissions_get_the_scores_they_deserve(classroom: Classroom) -> None:
    got = {student: sum(classroom.scores(student).values()) for student in classroom.expected}
    assert got == classroom.expected


def test_a_learners_code_reaches_nothing_on_the_graders_machine(classroom: Classroom) -> None:
    if UNLOCKED:
        pytest.skip(UNLOCKED)
    graded = nbformat.read(
        classroom.root / "autograded" / "12-burglar" / MONTH / f"{MONTH}.ipynb", as_version=4
    )
    (cell,) = (cell for cell in graded.cells if cell.id == "burglary")
    assert [output.text for output in cell.outputs] == ["reached: []\n"]


def test_each_check_of_a_perfect_submission_has_full_points(classroom: Classroom) -> None:
    scores = classroom.scores("01-everything")
    assert {name: scores[name] for name, check in CHECKS.items() if not check.by_hand} == {
        name: check.points for name, check in CHECKS.items() if not check.by_hand
    }


@pytest.mark.browser
def test_an_instructor_grades_by_hand_in_the_formgrader(classroom: Classroom, browser: Browser) -> None:
    student = "09-noisy"
    with Gradebook(f"sqlite:///{classroom.root / 'gradebook.db'}") as gradebook:
        notebook = gradebook.find_submission_notebook(MONTH, MONTH, student)
        grade = gradebook.find_grade("briefing-written", MONTH, MONTH, student)
        assert grade.needs_manual_grade
        submission = notebook.id
    with running_lab(classroom.environment, "--instructor", "--port", "9330") as address:
        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        page.set_default_timeout(90_000)
        page.goto(address)
        page.locator(".lm-MenuBar-itemLabel", has_text="Nbgrader").click()
        page.locator(".lm-Menu-itemLabel", has_text=re.compile("^Formgrader$")).click()
        frame = page.frame_locator("iframe[src*=formgrader]")
        expect(frame.get_by_text("month-01").first).to_be_visible()
        page.screenshot(path=ARTIFACTS / "formgrader.png")
        server, _, token = address.partition("/lab")
        page.goto(f"{server}/formgrader/submissions/{submission}/{token[token.index('?') :]}")
        points = page.locator("input#briefing-written")
        expect(points).to_have_class(
            re.compile("needs_manual_grade"), timeout=90_000
        )  # the page has its scores, and listens
        with page.expect_response(
            lambda response: "/formgrader/api/grade/" in response.url and response.request.method == "PUT"
        ):
            points.fill("9")
            page.keyboard.press("Tab")
        page.screenshot(path=ARTIFACTS / "formgrade.png")
        page.close()
    assert classroom.scores(student)["briefing-written"] == 9


def source_text() -> str:
    notebook = nbformat.read(ROOT / "source" / MONTH / f"{MONTH}.ipynb", as_version=4)
    return "\n".join(cell.source for cell in notebook.cells)


def test_points_by_hand_feedback_and_export(classroom: Classroom) -> None:
    student = "01-everything"
    with Gradebook(f"sqlite:///{classroom.root / 'gradebook.db'}") as gradebook:
        grade = gradebook.find_grade("briefing-written", MONTH, MONTH, student)
        assert grade.needs_manual_grade
        grade.manual_score = 11
        grade.needs_manual_grade = False
        gradebook.db.commit()
    classroom.nbgrader("generate_feedback", MONTH)
    classroom.nbgrader("export", "--to", "grades.csv")
    page = (classroom.root / "feedback" / student / MONTH / f"{MONTH}.html").read_text(encoding="utf-8")
    assert "AI Security Overview" in page
    failed = unescape(
        (classroom.root / "feedback" / "05-boundary" / MONTH / f"{MONTH}.html").read_text(encoding="utf-8")
    )
    assert "a score equal to the threshold is flagged" in failed, "feedback says why points are missing"
    for hidden in (
        "BEGIN HIDDEN TESTS",
        "np.random.default_rng(11)",
        "_tp / (_tp + _fp) if _tp + _fp else 0.0",
    ):
        assert hidden in source_text(), "the source holds it"
        assert hidden not in failed, "and feedback does not"
    with (classroom.root / "grades.csv").open(encoding="utf-8") as file:
        rows = {row["student_id"]: row for row in csv.DictReader(file)}
    assert float(rows[student]["score"]) == AUTOMATIC + 11
    assert float(rows[student]["max_score"]) == 100
    assert float(rows["02-nothing"]["score"]) == 0


def test_a_graded_month_reaches_the_learners_chart(
    classroom: Classroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    from aisecops.progress.summary import import_grades, summarise

    monkeypatch.setenv("AISECOPS_COURSE", str(classroom.root))
    import_grades(classroom.root / "gradebook.db", "05-boundary")
    summary = summarise()
    assert summary.graded == classroom.expected["05-boundary"]
    assert summary.self_checked == 0, "grades and self-checks are kept apart"
