"""Every kind of mistake in a lab is caught, by the check that is meant for it."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import pytest

from aisecops.quality import labels, months, prose
from tests.conftest import ROOT, TINY_START
from tests.quality_lab import answers, lab

MONTH = "month-01"
# What is wrong with a month of four exercises.
OF_THE_MINIATURE = ("objectives", "minutes", "exercises")
NOTEBOOK, ANSWERS = f"notebooks/{MONTH}.py", f"tests/answers/{MONTH}.py"
OVERVIEW = "resources/AI-SecOps/overview.md"
SOLUTION = "    return sum(1 for number in numbers if number > limit)\n"
VISIBLE = 'assert above_1([1, 2, 3], 1) == 2, "two of 1, 2 and 3 are above 1; the limit itself is not"\n'
HIDDEN = (
    "for _numbers, _limit, _want in (([4, 9, 4, 7], 4, 2), ([], 0, 0), ([5], 5, 0), ([-3, 8], -9, 2)):\n"
    '    assert above_1(_numbers, _limit) == _want, "count again, with other numbers and with none at all"\n'
)

STUDY_TEXT = "# Overview\n\nA text about numbers above a limit.\n"


def run(course: Path, *command: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "aisecops.cli", *command],
        cwd=course, env={**os.environ, "AISECOPS_COURSE": str(course)}, capture_output=True, text=True,
    )  # fmt: skip


def examined(course: Path, *options: str) -> dict:
    done = run(course, "quality", "--json", str(course / "report.json"), *options)
    assert done.returncode in (0, 1), done.stderr
    report = json.loads((course / "report.json").read_text(encoding="utf-8"))
    assert done.returncode == bool(report["faults"])
    return report


def faults(report: dict) -> dict[str, list[str]]:
    """The faults of a report: what was said, by check."""
    found: dict[str, list[str]] = {}
    for finding in [*report["findings"], *(f for month in report["months"] for f in month["findings"])]:
        if not finding["note"]:
            found.setdefault(finding["check"], []).append(f"{finding['where']}: {finding['sentence']}")
    return found


def made(course: Path, count: int) -> Path:
    """A course of one small month, built and recorded."""
    for name in ("roadmap.yaml", "grader_config.py", "nbgrader_config.py"):
        shutil.copy(ROOT / name, course / name)
    for path, text in {
        NOTEBOOK: lab(count),
        "notebooks/start-here.py": TINY_START,
        ANSWERS: answers(count),
        OVERVIEW: STUDY_TEXT,
        "resources/AI-SecOps/glossary.md": "# Glossary\n",
    }.items():
        (course / path).parent.mkdir(parents=True, exist_ok=True)
        (course / path).write_text(text, encoding="utf-8")
    done = run(course, "build", "--record")
    assert done.returncode == 0, done.stderr
    return course


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A course that has nothing wrong with it, and the cheats."""
    course = made(tmp_path_factory.mktemp("good"), 8)
    shutil.copy(ROOT / "tests" / "answers" / "cheats.py", course / "tests" / "answers" / "cheats.py")
    return course


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same in miniature: too little for a month, and quick to examine."""
    return made(tmp_path_factory.mktemp("short"), 4)


@pytest.fixture
def broken(short: Path, tmp_path: Path) -> Callable[..., Path]:
    """Copies a course and changes one place of one file."""

    def copy(file: str, before: str, after: str, *build: str, of: Path = short) -> Path:
        course = tmp_path / "course"
        shutil.copytree(of, course)
        path = course / file
        text = path.read_text(encoding="utf-8")
        assert before in text
        path.write_text(text.replace(before, after, 1), encoding="utf-8")
        if build:
            run(course, *build)
        return course

    return copy


def test_a_good_lab_has_no_fault(good: Path) -> None:
    report = examined(good, "--junit", str(good / "report.xml"))
    assert faults(report) == {}
    (month,) = report["months"]
    assert month["mutation_score"] == 1
    assert month["runs"] == 1
    for verdict in month["verdicts"]:
        assert verdict["stub"]
        assert verdict["solution"]
        assert verdict["hard_coding"]
        assert (verdict["right"], verdict["wrong"]) == (2, 3)
        assert verdict["mutants"] >= 5
        assert "an input transformer that empties later cells" in verdict["cheats"], (
            "the stock executor is fooled"
        )
        assert len(verdict["cheats"]) < verdict["cheats_tried"]
    suites = ElementTree.parse(good / "report.xml").getroot()
    assert {suite.get("name") for suite in suites} == {MONTH, "course"}
    assert sum(int(suite.get("failures")) for suite in suites) == 0


def test_what_has_not_changed_is_not_examined_again(good: Path) -> None:
    first = examined(good)
    done = run(good, "quality", "--json", str(good / "again.json"))
    assert "nothing has changed" in done.stderr
    assert json.loads((good / "again.json").read_text(encoding="utf-8")) == first
    (good / "tests" / "answers" / "month-01.py").touch()
    assert "nothing has changed" in run(good, "quality", "m01").stderr, "the text counts, not the date"


@dataclass(frozen=True)
class Broken:
    """A lab with one mistake: which file, what stands there, what should, and the check that must say so."""

    name: str
    check: str
    says: str
    file: str
    before: str
    after: str
    build: tuple[str, ...] = ()
    runs: int = 0
    also: tuple[str, ...] = ()


LABS = [
    Broken(
        "a test that cannot fail", "stub", "gets 25 points", NOTEBOOK,
        VISIBLE + "### BEGIN HIDDEN TESTS\n" + HIDDEN,
        'assert above_1, "write a function that counts"\n### BEGIN HIDDEN TESTS\nassert True, "this is always so"\n',
        also=("wrong", "mutants", "hard-coding"),
    ),
    Broken("hidden test equal to the visible one", "hard-coding", "ask the hidden ones about other data", NOTEBOOK,
           HIDDEN, VISIBLE, also=("wrong", "mutants")),
    Broken("no hidden test", "hard-coding", "no hidden part", NOTEBOOK,
           "### BEGIN HIDDEN TESTS\n" + HIDDEN + "### END HIDDEN TESTS\n", "", also=("wrong", "mutants")),
    Broken("a solution that warns", "solution", "careful", NOTEBOOK,
           SOLUTION, "    import warnings\n\n    warnings.warn('careful')\n" + SOLUTION, also=("mutants",)),
    Broken("a solution that is wrong", "solution", "does not get all points", NOTEBOOK,
           SOLUTION, SOLUTION.replace(">", "<"), also=("mutants", "answers")),
    Broken("points missing", "build", "99 points together", NOTEBOOK, "points=15", "points=14"),
    Broken("the solution in a hint", "leak", "the whole solution", NOTEBOOK,
           "# ## 1 · Sample 1", "# ## 1 · Sample 1\n#\n# Try\n#\n# `return sum(1 for number in numbers if number > limit)`", ("build",)),
    Broken("a label of an exercise under a wrong name", "build", "LLM01:2026 is Prompt Injection", NOTEBOOK,
           'objective="m01.1" minutes', 'objective="m01.1" standards=["LLM01:2026 Excessive Agency"] minutes', also=("standards",)),
    Broken("a flaky cell", "stable", "from run to run", NOTEBOOK,
           "plt.show()\n", "import random\n\nplt.show()\nprint(random.random())\n", build=("build", "--record"), runs=1),
    Broken("a test with luck in it", "solution", "got", NOTEBOOK,
           HIDDEN, "import os\n\nassert os.environ.get('PYTHONHASHSEED') != '0', 'today it fails'\n" + HIDDEN,
           build=("build",), runs=1),
    Broken("a boundary that no test looks at", "mutants", "boundary", NOTEBOOK,
           VISIBLE + "### BEGIN HIDDEN TESTS\n" + HIDDEN,
           'assert above_1([1, 2, 3], 0) == 3, "the limit itself is not above"\n### BEGIN HIDDEN TESTS\n'
           'assert above_1([8, 9, 1], 5) == 2, "count again, with other numbers"\n',
           also=("wrong",)),
    Broken("a right answer that is refused", "right", "gets 0 of 25 points", NOTEBOOK,
           HIDDEN, HIDDEN + 'assert type(above_1([], 0)) is int, "return an int"\n'
           'assert "count" not in above_1.__code__.co_varnames, "do not count"\n'),
    Broken("a wrong answer that gets points", "wrong", "deserves 0 points and gets 25", ANSWERS,
           "    return sum(number >= limit for number in numbers)", "    return sum(number > limit for number in numbers)"),
    Broken("feedback that does not name the mistake", "wrong", "must be told", ANSWERS,
           'says="the limit itself is not"', 'says="look at the boundary"'),
    Broken("too few answers", "answers", "write at least", ANSWERS, 'answer="above-1" right="a loop"', 'answer="above-2" right="a loop"', also=("right",)),
    Broken("a mark without a mutant", "mutants", "delete the mark", ANSWERS,
           "# %%", '# %% [markdown] equivalent="above-1" reason="none"\n# - `a`\n# + `b`\n\n# %%'),
]  # fmt: skip

TEXTS = [
    Broken("a wrong ATLAS pair", "standards", "AML.T0015", NOTEBOOK,
           "# A small lab.", "# A small lab on AML.T0015 Data Poisoning."),
    Broken("an id without its edition", "standards", "names no edition", OVERVIEW, "A text", "LLM01 is a text"),
    Broken("no text alternative", "alt", "overview.md", OVERVIEW, "A text", "![](glossary.md)\n\nA text"),
    Broken("a broken link", "links", "nowhere.md", OVERVIEW, "A text", "[A](nowhere.md) text"),
    Broken("a skipped heading", "headings", "overview.md", OVERVIEW, "A text", "### Deep\n\nA text"),
    Broken("an unexplained abbreviation", "terms", "QXRT", OVERVIEW, "A text", "A QXRT text"),
    Broken("an objective with one exercise", "objectives", "m01.1", NOTEBOOK,
           'exercise="above-2" objective="m01.1"', 'exercise="above-2" objective="m01.2"'),
    Broken("no milestone", "milestone", "milestone=true", NOTEBOOK, " milestone=true", ""),
    Broken("too little to do", "minutes", "hours", NOTEBOOK, "minutes=50", "minutes=1"),
    Broken("a missing study text", "resources", "is missing", ANSWERS, "a loop", "a loop"),
]  # fmt: skip


@pytest.mark.parametrize("case", LABS, ids=lambda case: case.name)
def test_a_broken_lab_is_caught(broken: Callable[..., Path], case: Broken) -> None:
    course = broken(case.file, case.before, case.after, *case.build)
    found = faults(examined(course, "--runs", str(case.runs)))
    assert case.check in found, found
    assert any(case.says in said for said in found[case.check]), found
    assert set(found) <= {case.check, *case.also, *OF_THE_MINIATURE}, "no other check cries wolf"


@pytest.mark.parametrize("case", TEXTS, ids=lambda case: case.name)
def test_a_broken_text_is_caught(broken: Callable[..., Path], good: Path, case: Broken) -> None:
    course = broken(case.file, case.before, case.after, of=good)
    if case.check == "resources":
        (course / OVERVIEW).rename(course / OVERVIEW.replace("overview", "elsewhere"))
    found = [finding for module in (labels, months, prose) for finding in module.check(course)]
    assert {finding.check for finding in found} == {case.check}, found
    assert any(case.says in str(finding) for finding in found)


def test_a_value_that_only_hidden_tests_hold_is_found_in_the_release(broken: Callable[..., Path]) -> None:
    course = broken(NOTEBOOK, HIDDEN, HIDDEN + 'assert "the-hidden-value", "never"\n', "build")
    release = course / "release" / MONTH / f"{MONTH}.ipynb"
    release.write_text(
        release.read_text(encoding="utf-8").replace(
            '"language": "python",', '"language": "python", "x": "the-hidden-value",', 1
        ),
        encoding="utf-8",
    )
    assert any("the-hidden-value" in said for said in faults(examined(course, "--runs", "0"))["leak"])


def test_a_label_of_another_month_is_no_leak(broken: Callable[..., Path]) -> None:
    course = broken(NOTEBOOK, HIDDEN, HIDDEN + 'assert "AML.TA0010", "never"\n', "build")
    catalogue = course / "release" / "exercises.json"
    entries = json.loads(catalogue.read_text(encoding="utf-8"))
    other = {**entries[0], "id": "other", "notebook": "month-02", "standards": ["AML.TA0010"], "checks": []}
    catalogue.write_text(json.dumps([*entries, other]), encoding="utf-8")
    assert "leak" not in faults(examined(course, "--runs", "0"))


def test_what_a_run_took_is_read_however_the_kernel_sends_it() -> None:
    from nbformat.v4 import new_code_cell, new_output

    from aisecops.quality.runs import _took

    pieces = ("458752", " ", "44.5", "\n")
    for sent in (pieces, ("458752 44.5\n",), ("458752 ", "44.5\n")):
        cell = new_code_cell(outputs=[new_output("stream", name="stdout", text=piece) for piece in sent])
        assert _took(cell) == (458752, 44.5)


def test_a_slow_or_hungry_month_is_found() -> None:
    from aisecops.build.read import Lab
    from aisecops.quality.runs import Run, judge

    one = Run({"a": ["stdout 1"]}, 100, 100, "", ("a", 61.0), 75.0, 3000.0)
    said = [finding.sentence for finding in judge(Lab(Path("month-01.py"), (), ()), {}, [one])]
    assert len(said) == 3
    assert all(any(word in sentence for sentence in said) for word in ("61 s", "75 s", "3000 MiB"))


def test_an_unknown_month_is_one_sentence(good: Path) -> None:
    done = run(good, "quality", "m02")
    assert done.returncode == 2
    assert "there is no notebooks/month-02.py" in done.stderr
    assert "Traceback" not in done.stderr
