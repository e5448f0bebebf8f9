"""What an instructor sees of a class: numbers that are right, findings that are fair, and nothing that breaks."""

import csv
import hashlib
import json
import os
import random
import shutil
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aisecops.build import build
from aisecops.cohort import Cohort, Picture
from aisecops.cohort.export import plain, write_csv
from aisecops.cohort.items import correlation, interval, statistics, upper_lower
from aisecops.cohort.notebook import lay_out
from aisecops.cohort.similar import compare, pairs, tokens
from aisecops.cohort.work import MOST_TIMES, read_below, read_times, read_work
from aisecops.course import CourseError
from tests.cohort_class import CELLS, MONTH, RELEASED, Class, answer, typical
from tests.conftest import ARTIFACTS, ROOT

FULL = {cell: float(most) for cell, most in CELLS.items()}
SOLUTION = "def total(numbers):\n    return sum(numbers)"
SEEN = ARTIFACTS / "cohort"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the tiny course's built files lie; building takes seconds."""
    return tmp_path_factory.mktemp("built")


@pytest.fixture
def ready(course: Path, built: Path) -> Path:
    """The tiny course, built."""
    if not any(built.iterdir()):
        build()
        for name in ("source", "release"):
            shutil.copytree(course / name, built / name)
    shutil.copytree(built, course, dirs_exist_ok=True)
    return course


@pytest.fixture
def room(ready: Path) -> Class:
    return Class(ready)


# Points


def test_points_are_summed_by_exercise_and_by_who_gave_them(room: Class) -> None:
    room.grade({"ada": FULL, "bob": {**FULL, "first-2": 0.0, "essay-written": 5.0}})
    scores = Cohort("m01").scores
    assert scores.loc["ada", ["automatic", "by_hand", "total"]].tolist() == [80, 20, 100]
    assert scores.loc["bob", ["first", "automatic", "by_hand", "total"]].tolist() == [20, 70, 5, 75]
    assert scores.state.tolist() == ["graded", "graded"]


def test_a_penalty_for_lateness_is_taken_off_the_total(room: Class) -> None:
    room.grade({"ada": FULL}, penalty=7)
    assert Cohort().scores.loc["ada", ["penalty", "total"]].tolist() == [7, 93]


def test_each_student_stands_with_what_is_left_to_do(room: Class) -> None:
    from aisecops.grading.journal import Journal
    from aisecops.grading.submission import Graded

    room.grade({
        "ada": FULL,
        "bob": {**FULL, "essay-written": None},
        "eve": dict.fromkeys(CELLS),
    })  # fmt: skip
    room.enrol("gone")
    room.hand_in("late")
    Journal(room.root, MONTH).keep(Graded("eve", "0", "", {}, needs_person="it is no notebook"))
    cohort = Cohort()
    assert cohort.scores.state.to_dict() == {
        "ada": "graded",
        "bob": "waits for points by hand",
        "eve": "needs a person: it is no notebook",
        "gone": "not handed in",
        "late": "handed in, not graded",
    }
    assert list(cohort.waiting().index) == ["bob", "eve", "gone", "late"]
    assert np.isnan(cohort.scores.total["gone"])
    assert "5 students" in repr(cohort)
    assert "1 needs a person" in cohort.sentence()


@pytest.mark.parametrize("has_gradebook", [False, True])
@pytest.mark.parametrize("month", [None, "m01"])
def test_without_grades_there_is_one_clear_sentence(
    ready: Path, has_gradebook: bool, month: str | None
) -> None:
    if has_gradebook:
        Class(ready)
    with pytest.raises(CourseError, match="aisecops grade m") as trouble:
        Cohort(month)
    assert "\n" not in str(trouble.value)
    assert (ready / "gradebook.db").exists() == has_gradebook, "looking must not make a gradebook"


def test_a_file_that_is_no_gradebook_is_a_sentence(ready: Path) -> None:
    (ready / "gradebook.db").write_bytes(b"no database" * 100)
    with pytest.raises(CourseError, match="the gradebook cannot be read"):
        Cohort()


def test_a_month_that_is_not_graded_is_a_sentence(room: Class) -> None:
    room.grade({"ada": FULL})
    with pytest.raises(CourseError, match="no grades of month-02: run `aisecops grade month-02` first"):
        Cohort("m02")


def test_another_database_is_opened_for_reading_only(course: Path) -> None:
    from aisecops.cohort.gradebook import _engine

    try:
        engine = _engine("postgresql+psycopg://user@host/gradebook", course)
    except ModuleNotFoundError:
        pytest.skip("there is no driver for PostgreSQL here")
    assert engine.get_execution_options()["postgresql_readonly"]


# Items


def test_statistics_are_those_of_a_class_computed_by_hand() -> None:
    points = pd.DataFrame({"a": [0, 0, 4, 4], "b": [0, 2, 2, 4], "c": [0, 0, 0, 2]}, dtype=float)
    found = statistics(points, pd.Series({"a": 4.0, "b": 4.0, "c": 2.0}))
    assert found.difficulty.tolist() == [0.5, 0.5, 0.25]
    # of a against b + c = 0 2 2 6, whose deviations are -2.5 -0.5 -0.5 3.5: 12 / sqrt(16 * 19)
    assert found.discrimination["a"] == pytest.approx(12 / np.sqrt(304))
    assert found.n.tolist() == [4, 4, 4]
    assert found[["low", "high", "upper_lower"]].isna().all(axis=None)
    assert found.reading["a"] == "4 students: too few to say"


def test_an_item_that_waits_for_some_is_left_out_of_the_totals_of_others() -> None:
    points = pd.DataFrame({"a": [0, 1, 2], "b": [0, 1, 2], "essay": [9, np.nan, np.nan]}, dtype=float)
    found = statistics(points, pd.Series({"a": 2.0, "b": 2.0, "essay": 9.0}))
    assert found.discrimination["a"] == pytest.approx(1)
    assert found.n["essay"] == 1


@pytest.mark.parametrize(
    ("item", "others", "reading"),
    [
        ([1] * 40, range(40), "everybody has all points: too easy?"),
        ([0] * 40, range(40), "nobody has a point: look at the check"),
        ([0.5] * 40, range(40), "everybody has the same points"),
        ([0] + [1] * 39, range(40), "too easy"),
        ([0] * 35 + [1] * 5, range(40), "too hard"),
        ([n >= 20 for n in range(40)], range(40), "fine"),
        ([n % 2 for n in range(40)], range(40), "does not tell strong from weak: look at the check"),
        ([n < 20 for n in range(40)], range(40), "the weak do better than the strong: look at the check"),
        ([n >= 20 for n in range(40)], [1] * 40, "everybody has the same points"),
    ],
)  # fmt: skip
def test_the_numbers_are_said_in_plain_words(item: Any, others: Any, reading: str) -> None:
    points = pd.DataFrame({"item": item, "others": others}, dtype=float)
    found = statistics(points, pd.Series({"item": 1.0, "others": 39.0})).reading["item"]
    assert found.replace(" (uncertain)", "").startswith(reading)


def test_twelve_learners_leave_doubt_which_is_said() -> None:
    points = pd.DataFrame({"item": [n % 2 for n in range(12)], "others": range(12)}, dtype=float)
    reading = statistics(points, pd.Series({"item": 1.0, "others": 11.0})).reading["item"]
    assert reading == "does not tell strong from weak: look at the check (uncertain)"


def test_the_best_and_the_weakest_27_percent_are_compared_whatever_their_order() -> None:
    total = np.arange(40.0)
    assert upper_lower((total >= 29).astype(float), total) == 1  # 27 % of 40 are 11
    share = np.array([1.0] * 10 + [0.0] * 30)
    assert upper_lower(share, np.ones(40)) == 0, "all have the same total"
    order = np.random.default_rng(1).permutation(40)
    total = np.round(total / 7)
    assert upper_lower(share, total) == pytest.approx(upper_lower(share[order], total[order]))
    assert np.isnan(upper_lower(np.ones(30), np.arange(30.0)))


def test_the_upper_lower_index_does_not_count_the_item_itself() -> None:
    points = pd.DataFrame({"heavy": [90.0 * (n % 2) for n in range(40)], "others": range(40)}, dtype=float)
    found = statistics(points, pd.Series({"heavy": 90.0, "others": 39.0}))
    assert abs(found.upper_lower["heavy"]) < 0.2


def test_an_interval_holds_the_correlation_and_is_the_same_every_time() -> None:
    chance = np.random.default_rng(5)
    one = chance.normal(size=60)
    other = one + chance.normal(size=60)
    low, high = interval(one, other)
    assert low < correlation(one, other) < high
    assert high - low < 0.5
    assert interval(one, other) == (low, high)
    assert np.isnan(interval(np.eye(12)[0], np.arange(12.0))).all(), "most draws miss the only one"


def test_a_coin_is_found_among_exercises_that_work(room: Class) -> None:
    room.grade(typical(120))
    found = Cohort().items()
    assert list(found.index) == ["first", "second", "third", "essay"]
    assert found.reading["second"].startswith("does not tell strong from weak")
    assert found.reading["third"] == found.reading["essay"] == "fine"
    checks = Cohort().items("check")
    assert list(checks.index) == list(CELLS)
    assert checks.reading["first"] == "everybody has all points: too easy?"
    with pytest.raises(CourseError, match="say 'exercise' or 'check'"):
        Cohort().items("colour")


def test_one_student_alone_breaks_nothing(room: Class, tmp_path: Path) -> None:
    room.grade({"ada": {**FULL, "essay-written": None}})
    room.lay_out("ada")
    cohort = Cohort()
    assert cohort.items().reading.tolist() == ["1 students: too few to say"] * 3 + ["not graded yet"]
    assert cohort.failures().empty
    assert cohort.similar().empty
    for picture in (cohort.draw_scores(), cohort.draw_items(), cohort.draw_failures()):
        assert picture.png().startswith(b"\x89PNG")
    cohort.to_csv(tmp_path)


# Failures


def test_messages_are_grouped_and_the_worst_check_comes_first(room: Class) -> None:
    room.grade({
        "ada": FULL,
        "bob": {**FULL, "second": 0.0},
        "eve": {**FULL, "second": 0.0, "first-2": 0.0},
        "joe": {**FULL, "second": 0.0},
    })  # fmt: skip
    room.lay_out("ada")
    room.lay_out("bob", errors={"second": ("AssertionError", "expected 3, got 5\nmore")})
    room.lay_out(
        "eve", errors={"second": ("AssertionError", "expected 3, got 4.5"), "first-2": ("ValueError", "no")}
    )
    room.lay_out("joe", errors={"second": ("NotImplementedError", "write your solution")})
    found = Cohort().failures()
    assert found.to_dict("records") == [
        {
            "exercise": "second",
            "check": "second",
            "share": 0.75,
            "message": "expected 3, got 4.5",
            "learners": 2,
        },
        {"exercise": "second", "check": "second", "share": 0.75, "message": "not answered", "learners": 1},
        {"exercise": "first", "check": "first-2", "share": 0.25, "message": "ValueError: no", "learners": 1},
    ]
    assert "HIDDEN" not in found.to_csv(), "a traceback quotes hidden checks"


@pytest.mark.parametrize(
    ("output", "complaint"),
    [
        ({"output_type": "error", "ename": "AssertionError", "evalue": ""}, "the check does not hold"),
        ({"output_type": "error", "ename": "KeyError", "evalue": ""}, "KeyError"),
        ({"output_type": "error", "ename": "E", "evalue": "x" * 999}, "E: " + "x" * 236 + "…"),
        ({"output_type": "stream", "name": "stderr", "text": ["a ", "warning\n"]}, "written to stderr: a warning"),
        ({"output_type": "stream", "name": "stdout", "text": "fine"}, None),
        ({"output_type": "error", "ename": 3, "evalue": None}, None),
        ("nothing", None),
    ],
)  # fmt: skip
def test_what_a_check_complains_of_is_one_line(output: Any, complaint: str | None) -> None:
    cell = {"cell_type": "code", "metadata": {"nbgrader": {"grade_id": "second"}}, "outputs": [output]}
    assert read_work(json.dumps({"cells": [cell]}).encode()).complaints.get("second") == complaint


# Times

DAY = "2026-03-02T"


def noted(**changes: Any) -> dict[str, Any]:
    entry = {"runs": 3, "first": f"{DAY}10:00:00+00:00", "last": f"{DAY}10:20:00+00:00", "minutes": 12.5}
    return {"format": 1, "notebook": MONTH, "exercises": {"second": {**entry, **changes}}}


def test_times_that_were_handed_in_are_read(room: Class) -> None:
    room.grade({"ada": FULL, "bob": FULL})
    room.hand_in("ada", noted())
    room.hand_in("bob")
    times = Cohort().times()
    assert times[["student", "exercise", "runs", "minutes"]].to_numpy().tolist() == [
        ["ada", "second", 3, 12.5]
    ]
    assert "second 12 of 10 planned (n = 1)" in Cohort().draw_times().words


def test_without_times_there_is_a_sentence(room: Class) -> None:
    room.grade({"ada": FULL})
    assert Cohort().times().empty
    with pytest.raises(CourseError, match="nobody has handed in times"):
        Cohort().draw_times()


@pytest.mark.parametrize(
    "told",
    [
        noted(runs=0), noted(runs=True), noted(runs=10**9), noted(runs="3"), noted(runs=2.5),
        noted(minutes=-1), noted(minutes=31), noted(minutes=float("nan")), noted(minutes=float("inf")),
        noted(minutes=10**400), noted(minutes=True), noted(minutes=None),
        noted(first="yesterday"), noted(first=f"{DAY}10:00:00"), noted(first=f"{DAY}11:00:00+00:00"), noted(last=7),
        {**noted(), "format": 2}, {"format": 1, "exercises": ["second"]},
        {"format": 1, "exercises": {"second": [1]}}, {"format": 1, "exercises": {"other": noted()}},
        [], "text", None, {},
    ],
)  # fmt: skip
def test_odd_times_are_left_out(told: Any) -> None:
    assert read_times(json.dumps(told).encode(), ["second"]) == []


@given(
    st.binary(max_size=300) | st.sampled_from([b"[" * 60_000, b'{"a":' * 9_000, b"9" * 60_000, b"\xff\xfe"])
)
def test_no_bytes_break_the_reading(data: bytes) -> None:
    assert read_times(data, ["second"]) == []
    work = read_work(data)
    assert not work.answers


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.datetimes().map(str),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(json_values, st.sampled_from(["runs", "first", "last", "minutes"]))
def test_no_value_breaks_the_reading(value: Any, name: str) -> None:
    for time in read_times(json.dumps(noted(**{name: value})).encode(), ["second"]):
        assert time.runs >= 1
        assert 0 <= time.minutes <= 30.1


def test_only_ordinary_files_of_a_fair_size_are_opened(tmp_path: Path) -> None:
    folder = tmp_path / "submitted" / "eve" / MONTH
    folder.mkdir(parents=True)
    secret = tmp_path / "secret.json"
    secret.write_text("{}")

    def found(name: str) -> bytes | None:
        return read_below(tmp_path / "submitted", "eve", MONTH, name, most=MOST_TIMES)

    (folder / "fine").write_bytes(b"x" * MOST_TIMES)
    (folder / "large").write_bytes(b"x" * (MOST_TIMES + 1))
    (folder / "folder").mkdir()
    (folder / "link").symlink_to(secret)
    os.link(secret, folder / "hard")
    os.mkfifo(folder / "pipe")
    assert found("fine") == b"x" * MOST_TIMES
    odd = ("large", "folder", "link", "hard", "pipe", "missing", "..", "a/b", "", "\0")
    assert [name for name in odd if found(name) is not None] == []
    (tmp_path / "submitted" / "mal").symlink_to(tmp_path / "submitted" / "eve", target_is_directory=True)
    assert read_below(tmp_path / "submitted", "mal", MONTH, "fine", most=MOST_TIMES) is None
    assert read_below(tmp_path / "nowhere", "fine", most=MOST_TIMES) is None


# Similar answers

COPIED = '''\
def total(values):  # my own work!
    """Add."""
    {body}
    return sum(values)
'''


def disguised(code: str) -> str:
    """Return the code as someone would hand it in who has copied it."""
    for name, other in (
        ("numbers", "values"),
        ("found", "xs"),
        ("result", "acc"),
        ("value", "v"),
        ("item", "k"),
    ):
        code = code.replace(name, other)
    lines = [f"{line}  # step {n}" for n, line in enumerate(code.replace("    ", "  ").splitlines())]
    return "\n\n".join(lines).replace("'values only'", "'really?'")


def test_names_texts_comments_and_layout_do_not_matter() -> None:
    one = 'def f(a, b):\n    """Say."""\n    return a.size + len(b) * 2  # twice'
    other = "def g(x,\n      y):\n  'Tell'\n  return (x.size\n + len(y)*2)"
    assert tokens(one) == tokens(other.replace("(x.size", "x.size \\").replace("2)", "2"))
    assert tokens(one) != tokens(one.replace("size", "shape")), "what a library calls it tells much"
    assert tokens(one) != tokens(one.replace("2", "3"))
    assert tokens("f'{a} and {b}'") == tokens("'a text'")


@pytest.mark.parametrize("code", ["def f(:", "'''never ends", "a\n  b\n c", "\0", "(" * 9999, "é = 1\n$", ""])
def test_code_that_is_no_python_is_read_as_far_as_it_goes(code: str) -> None:
    tokens(code)
    assert pairs("second", {"ada": code, "bob": code}, RELEASED, SOLUTION) is not None


def test_a_disguised_copy_is_found_and_independent_answers_are_not() -> None:
    answers = {f"s{n:02}": answer(n) for n in range(40)}
    answers["thief"] = disguised(answers["s07"])
    found = pairs("second", answers, RELEASED, SOLUTION)
    assert [(pair.student, pair.other) for pair in found] == [("s07", "thief")]
    assert found[0].similarity > 0.98
    assert found[0].usual < 0.8
    del answers["thief"]
    assert pairs("second", answers, RELEASED, SOLUTION) == []


def test_a_copy_with_a_change_is_found() -> None:
    answers = {f"s{n:02}": answer(n) for n in range(40)}
    answers["thief"] = disguised(answers["s07"]).replace("return sum", "print(sum)\n\n  return sum")
    (pair,) = pairs("second", answers, RELEASED, SOLUTION)
    assert (pair.student, pair.other) == ("s07", "thief")
    assert pair.unusual_from <= pair.similarity < 1


def test_a_ring_is_one_row() -> None:
    answers = {f"s{n:02}": answer(n) for n in range(20)}
    answers |= {name: disguised(answers["s07"]) for name in ("t1", "t2", "t3")}
    (pair,) = pairs("second", answers, RELEASED, SOLUTION)
    assert (pair.student, pair.other, pair.also) == ("s07", "t1", ("t2", "t3"))
    assert pair.similarity == 1


def test_short_answers_and_the_official_one_say_little() -> None:
    short = "def total(numbers):\n    return numbers[0] + total(numbers[1:]) if numbers else 0"
    assert pairs("second", {"ada": short, "bob": short}, RELEASED, SOLUTION) == []
    official = answer(3)
    near = {"ada": disguised(official), "bob": official}
    assert pairs("second", near, RELEASED, SOLUTION) != []
    assert pairs("second", near, RELEASED, official) == []
    assert pairs("second", near, official, SOLUTION) == [], "all of it stands in the release"


def test_where_all_are_alike_only_the_same_is_listed() -> None:
    answers = {f"s{n:02}": f"{answer(3)} + {n}" for n in range(30)}
    assert pairs("second", answers, RELEASED, SOLUTION) == []
    assert pairs("second", {"ada": answer(1)}, RELEASED, SOLUTION) == []
    assert pairs("second", {}, RELEASED, SOLUTION) == []


def test_a_large_class_gives_the_same_pairs_as_comparing_each_with_each() -> None:
    from rapidfuzz.distance import Indel

    from aisecops.cohort import similar

    chance = random.Random(2)
    rows = sorted({similar.own(tokens(answer(n)), tokens(RELEASED)) for n in range(500)})
    rows = [row[: chance.randint(30, len(row))] for row in rows]
    rows = sorted(set(rows))
    quick = {frozenset(pair[1:]) for pair in similar._alike(rows, 0.93)}
    slow = {
        frozenset((one, other))
        for n, one in enumerate(rows)
        for other in rows[:n]
        if Indel.normalized_similarity(one, other) >= 0.93
    }
    assert len(rows) > similar._BLOCK
    assert slow
    assert quick == slow


def test_a_large_class_is_measured_by_a_sample() -> None:
    answers = {f"s{n:03}": answer(n) for n in range(120)}
    answers["thief"] = disguised(answers["s007"])
    once = pairs("second", answers, RELEASED, SOLUTION)
    assert ("s007", "thief") in [(pair.student, pair.other) for pair in once]
    assert once == pairs("second", dict(reversed(answers.items())), RELEASED, SOLUTION)


def test_two_answers_stand_side_by_side() -> None:
    shown = compare("a = 1\nb = 2\nsame", "a = 1\n\nb = 3\nsame  # yes\n<b>more</b>", ("<ada>", "bob"))
    assert shown.lines == (
        ("=", "a = 1", "a = 1"),
        ("≠", "b = 2", "b = 3"),
        ("≈", "same", "same  # yes"),
        ("+", "", "<b>more</b>"),
    )
    page = shown._repr_html_()
    assert "&lt;b&gt;more&lt;/b&gt;" in page
    assert "&lt;ada&gt;" in page
    assert "<b>" not in page
    assert compare("x\ny", "x", ("a", "b")).lines[-1] == ("−", "y", "")


def test_similar_answers_of_a_class_are_found_in_the_graded_notebooks(room: Class) -> None:
    students = [f"s{n:02}" for n in range(12)]
    room.grade(dict.fromkeys([*students, "thief", "lost"], FULL))
    for n, student in enumerate(students):
        room.lay_out(student, {"second": answer(n)})
    room.lay_out("thief", {"second": disguised(answer(4))})
    cohort = Cohort()
    assert cohort.similar()[["exercise", "student", "other"]].to_numpy().tolist() == [
        ["second", "s04", "thief"]
    ]
    assert cohort.compare("second", "s04", "thief").left == "s04"
    with pytest.raises(CourseError, match="'lost' has no graded answer to 'second'"):
        cohort.compare("second", "s04", "lost")
    (room.root / "release" / MONTH / f"{MONTH}.ipynb").unlink()
    with pytest.raises(CourseError, match="aisecops build month-01"):
        cohort.similar()


# Tables


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1"])
def test_no_cell_is_a_formula(text: str, tmp_path: Path) -> None:
    assert plain(text) == f"'{text}"
    write_csv(
        pd.DataFrame({text: [text, -1.5]}, index=pd.Index([text, "b"], name="student")), tmp_path / "t.csv"
    )
    with (tmp_path / "t.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert rows == [["student", f"'{text}"], [f"'{text}", f"'{text}"], ["b", "-1.5"]]


def test_a_class_becomes_two_tables(room: Class) -> None:
    room.grade({"=cmd": FULL, "bob": {**FULL, "essay-written": None}})
    students, every = Cohort().to_csv(room.root / "new")
    first = pd.read_csv(students, index_col="student")
    assert list(first.index) == ["'=cmd", "bob"]
    assert first.total.tolist() == [100, 80]
    assert first.needs_points_by_hand.tolist() == [False, True]
    assert pd.read_csv(every).groupby("by").size().to_dict() == {"check": 5, "exercise": 4}
    assert sorted(path.name for path in (room.root / "new").iterdir()) == [every.name, students.name]


# Pictures and the notebook


@pytest.mark.parametrize("count", [1, 5, 40, 400])
def test_pictures_of_classes_of_any_size_say_the_same_in_words(room: Class, count: int) -> None:
    room.grade(typical(count))
    cohort = Cohort()
    SEEN.mkdir(parents=True, exist_ok=True)
    cohort.draw_scores().save(SEEN / f"scores-{count}.png")
    cohort.draw_items("check").save(SEEN / f"items-{count}.png")
    cohort.draw_failures().save(SEEN / f"failures-{count}.png")
    assert f"all points: {count} learners" in cohort.draw_scores().words
    assert "5 items" in cohort.draw_items("check").words
    assert 'alt="automatic points' in cohort.draw_scores()._repr_html_()


def test_a_picture_escapes_what_it_says() -> None:
    from matplotlib.figure import Figure

    assert "&lt;b&gt;" in Picture(Figure(), "<b>")._repr_html_()


def whole_class(room: Class) -> None:
    """A class of forty with times, answers, a copy, and some who wait."""
    chance = random.Random(4)
    points = typical(40)
    for student in list(points)[:3]:
        points[student]["essay-written"] = None
    room.grade(points)
    room.enrol("gone")
    for n, (student, given_points) in enumerate(points.items()):
        failed = {
            cell: ("AssertionError", f"expected {n}, the check says")
            for cell, value in given_points.items()
            if value == 0 and cell != "essay-written"
        }
        room.lay_out(student, {"second": answer(n)}, failed)
        times = noted()
        times["exercises"] = {
            name: {**times["exercises"]["second"], "minutes": round(chance.uniform(*span), 1)}
            for name, span in {"first": (2, 14), "second": (9, 29), "third": (5, 12)}.items()
        }
        room.hand_in(student, times)
    room.lay_out("s009", {"second": disguised(answer(8))})


def test_the_notebook_runs_over_a_class_and_changes_nothing(
    room: Class, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nbclient import NotebookClient

    (room.root / "notebooks" / "instructor.py").write_bytes(
        (ROOT / "notebooks" / "instructor.py").read_bytes()
    )
    build()
    whole_class(room)
    book = room.root / "gradebook.db"
    before = hashlib.sha256(book.read_bytes()).hexdigest(), book.stat().st_mtime_ns
    path = lay_out()
    notebook = nbformat.read(path, as_version=4)
    assert not any("nbgrader" in cell.metadata for cell in notebook.cells if cell.cell_type == "code")
    client = NotebookClient(
        notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(room.root)}}
    )
    client.execute(env={**os.environ, "AISECOPS_DESK": str(room.root / "workspace")})
    shown = {
        cell.id: "".join(str(out.get("data", out.get("text"))) for out in cell.outputs)
        for cell in notebook.cells
        if cell.cell_type == "code"
    }
    assert all(shown.values()), shown
    assert "41 students: 37 graded, 1 not handed in, 3 waits for points by hand" in shown["class-scratch"]
    assert "does not tell strong from weak" in shown["item-table-scratch"]
    assert "s008" in shown["similar-scratch"]
    assert "month-01-students.csv" in shown["export-scratch"]
    assert (hashlib.sha256(book.read_bytes()).hexdigest(), book.stat().st_mtime_ns) == before
    SEEN.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, SEEN / "instructor.ipynb")
    Cohort().draw_times().save(SEEN / "times-40.png")
    Cohort().draw_scores().save(SEEN / "scores-waiting.png")


def test_the_notebook_is_laid_out_once_and_is_no_assignment(room: Class) -> None:
    with pytest.raises(CourseError, match=r"release/instructor.ipynb is missing: run `aisecops build`"):
        lay_out()
    (room.root / "notebooks" / "instructor.py").write_text("# %% [markdown]\n# # Class\n", encoding="utf-8")
    build()
    path = lay_out()
    assert path == room.root / "instructor.ipynb"
    path.write_text("mine")
    lay_out()
    assert path.read_text() == "mine"
    assert sorted(entry.name for entry in (room.root / "source").iterdir()) == [MONTH]
    assert [entry.name for entry in (room.root / "release").iterdir() if entry.is_dir()] == [MONTH]
