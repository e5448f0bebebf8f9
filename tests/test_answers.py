"""Every exercise accepts right answers written differently, and gives wrong ones what they deserve."""

import json
import os
import subprocess
import sys

import pytest

from tests.answers import HERE, load
from tests.conftest import ROOT

MONTHS = sorted(path.stem for path in HERE.glob("month-*.py"))


@pytest.fixture(scope="module")
def graded() -> dict[tuple[str, str, str], dict]:
    results = {}
    # coverage would trace every line of the answers, at several times the cost
    environment = {key: value for key, value in os.environ.items() if not key.startswith("COV")}
    for month in MONTHS:
        command = [sys.executable, "-m", "tests.answers", month]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-3000:]
        for line in done.stdout.splitlines():
            result = json.loads(line)
            results[month, result["exercise"], result["title"]] = result
    return results


def test_every_published_month_has_its_answers() -> None:
    assert sorted(path.stem for path in (ROOT / "notebooks").glob("month-*.py")) == MONTHS


@pytest.mark.parametrize(
    ("month", "answer"),
    [pytest.param(m, a, id=f"{m}: {a.exercise}: {a.title}") for m in MONTHS for a in load(m)],
)
def test_an_answer_gets_what_it_deserves(graded, month, answer) -> None:
    result = graded[month, answer.exercise, answer.title]
    said = " | ".join(result["said"])
    assert result["score"] == (result["most"] if answer.score is None else answer.score), said
    if answer.score is not None:
        assert answer.says in said


def test_every_exercise_has_two_right_and_three_wrong_answers(graded) -> None:
    for month in MONTHS:
        answers = load(month)
        for exercise in {exercise for m, exercise, _ in graded if m == month}:
            mine = [answer for answer in answers if answer.exercise == exercise]
            assert sum(answer.score is None for answer in mine) >= 2, exercise
            assert sum(answer.score is not None for answer in mine) >= 3, exercise


def test_the_solution_scores_full_and_the_stub_nothing(graded) -> None:
    for (_, exercise, title), result in graded.items():
        if title == "solution":
            assert result["score"] == result["most"], (exercise, result["said"])
        if title == "stub":
            assert result["score"] == 0, exercise
            assert any("write your solution here" in said for said in result["said"]), exercise
