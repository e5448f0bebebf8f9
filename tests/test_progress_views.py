"""Where a learner stands, and that widget, figure and terminal say the same of it."""

import asyncio
import io
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from aisecops import exercises
from aisecops.build import build
from aisecops.course import CourseError
from aisecops.progress import widget
from aisecops.progress.figure import figure
from aisecops.progress.store import GRADED, SELF_CHECKED, Event, Store
from aisecops.progress.summary import Summary, import_grades, summarise
from aisecops.progress.terminal import chart
from aisecops.progress.widget import PhaseProgress
from aisecops.roadmap import load as load_roadmap

START = datetime(2026, 1, 5, tzinfo=UTC)
POINTS = {"first": 20.0, "first-2": 10.0, "second": 30.0, "third": 20.0}
ESSAY = 20.0
PASSES = """
import sys
from aisecops.progress.store import Event, Store
Store().append(Event("self-checked", sys.argv[1], float(sys.argv[2]), float(sys.argv[2])))
"""


@pytest.fixture
def log(course: Path) -> Store:
    """The empty log of a learner in the tiny course."""
    build()
    return Store()


def attempt(cell: str, share: float = 1.0, day: float = 0, source: str = SELF_CHECKED) -> Event:
    most = POINTS.get(cell, ESSAY)
    at = (START + timedelta(days=day)).isoformat(timespec="milliseconds")
    return Event(source, cell, share * most, most, at=at)


def essay() -> str:
    [cell] = [check.cell for one in exercises.load() for check in one.checks if check.by_hand]
    return cell


# What they are drawn from


def test_looking_leaves_no_trace(log: Store) -> None:
    assert summarise().self_checked == 0
    assert not log.file.exists()


def test_points_of_cells_that_no_release_knows_do_not_count(log: Store) -> None:
    log.append(Event(SELF_CHECKED, "gone", 50, 50), Event(GRADED, "gone", 50, 50))
    assert (summarise().self_checked, summarise().graded) == (0, None)


def test_a_clock_that_was_set_back_makes_no_negative_week(log: Store) -> None:
    log.append(attempt("first", 0, day=30))
    assert "week 1 since" in summarise(now=START).pace


def test_a_file_that_is_no_gradebook_is_one_sentence(log: Store, tmp_path: Path) -> None:
    noise = tmp_path / "noise.db"
    noise.write_bytes(b"no database" * 1000)
    with pytest.raises(CourseError, match=r"cannot read .*noise\.db .*name nbgrader's gradebook"):
        import_grades(noise, "ada")
    assert log.events() == []
    assert noise.read_bytes() == b"no database" * 1000


# The views


@pytest.fixture
def under_way(log: Store) -> Summary:
    """Half-way through month 1: 50 of 80 points self-checked, 42 of 100 graded."""
    log.append(attempt("second"), attempt("third"), attempt("first", 0))
    log.append(attempt("second", 0.9, source=GRADED), attempt(essay(), 0.75, source=GRADED))
    return summarise(now=START)


def titles() -> list[str]:
    roadmap = load_roadmap()
    return [part.title for phase in roadmap.phases for part in (phase, *phase.months)]


def printed(summary: Summary, **options: Any) -> str:
    console = Console(file=io.StringIO(), width=100, **options)
    console.print(chart(summary))
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_the_terminal_shows_every_phase_and_month_in_eighty_columns(under_way: Summary) -> None:
    said = printed(under_way, no_color=True)
    assert all(title in said for title in titles())
    assert said.count("not published yet") == 16
    assert max(map(len, said.splitlines()[:24])) <= 80
    assert "\x1b[" not in said


def test_the_terminal_reads_the_same_without_colour(under_way: Summary) -> None:
    said = printed(under_way, no_color=True)
    [month] = [line for line in said.splitlines() if "AI Security Overview" in line]
    assert "█████···" in month
    assert "▒▒▒·····" in month
    assert "50/80" in month
    assert "42/100" in month
    assert "◇" in month
    assert "42 graded" in said
    assert f"Next: {under_way.next_step.exercise.title} (aisecops open month-01)" in said  # type: ignore[union-attr]
    coloured = printed(under_way, force_terminal=True, color_system="standard")
    assert "\x1b[" in coloured


def test_the_terminal_says_when_nothing_is_graded_and_all_is_done(log: Store) -> None:
    assert "nothing graded yet" in printed(summarise())
    log.append(*map(attempt, POINTS))
    assert "Every visible check passes." in printed(summarise())
    log.file.write_bytes(b"noise" * 2000)
    assert "damaged" in printed(summarise()).replace("\n", " ")


def test_the_figure_draws_all_months_and_explains_its_marks(under_way: Summary) -> None:
    import matplotlib.pyplot as plt

    drawing = figure(under_way)
    try:
        drawing.canvas.draw()
        [axes] = drawing.axes
        labels = " ".join(label.get_text() for label in axes.get_yticklabels())
        texts = " ".join(text.get_text() for text in axes.texts)
        assert all(title in labels + texts for title in titles())
        assert texts.count("not published yet") == 16
        explained = " ".join(text.get_text() for text in axes.get_legend().get_texts())
        assert "self-checked" in explained
        assert "graded" in explained
        assert any(bar.get_hatch() for bar in axes.patches), "graded is told from self-checked without colour"
        box = drawing.bbox
        for text in [*axes.texts, *axes.get_yticklabels(), axes.title]:
            extent = text.get_window_extent()
            assert box.x0 <= extent.x0 <= extent.x1 <= box.x1, f"{text.get_text()} is cut off"
    finally:
        plt.close(drawing)


def test_the_figure_reads_the_log_by_itself(under_way: Summary) -> None:
    import matplotlib.pyplot as plt

    drawing = figure()
    assert "50" in " ".join(text.get_text() for text in drawing.axes[0].texts)
    plt.close(drawing)


def test_the_widget_holds_everything_the_browser_draws(under_way: Summary) -> None:
    state = PhaseProgress().state
    assert (state["selfChecked"], state["graded"], state["most"]) == (50, 42, 100)
    assert [part["title"] for phase in state["phases"] for part in (phase, *phase["months"])] == titles()
    month = state["phases"][0]["months"][0]
    assert (month["selfChecked"], month["graded"], month["published"]) == (50, 42, True)
    assert month["notebook"] == "month-01"
    assert month["milestone"] == load_roadmap().months[0].milestone.text
    exercises_ = {one["title"]: one for one in month["exercises"]}
    assert len(exercises_) == 4
    assert state["next"]["notebook"] == "month-01"
    assert state["next"]["title"] in exercises_
    assert exercises_[state["next"]["title"]]["attempts"] == 1
    assert state["notice"] == ""


def test_the_widget_shows_a_change_on_refresh(log: Store) -> None:
    shown = PhaseProgress()
    changes: list[Any] = []
    shown.observe(changes.append, "state")
    shown.refresh()
    assert changes == [], "nothing new, nothing sent"
    log.append(attempt("second"))
    shown.refresh()
    assert len(changes) == 1
    assert shown.state["selfChecked"] == 30


def test_the_widget_says_trouble_and_keeps_what_it_showed(under_way: Summary) -> None:
    shown = PhaseProgress()
    log = Store().file
    log.unlink()
    log.mkdir()  # no log can lie where a folder is
    shown.refresh()
    assert log.name in shown.state["notice"]
    assert shown.state["selfChecked"] == 50
    assert log.name in PhaseProgress()._repr_mimebundle_()[0]["text/plain"]


def test_who_cannot_see_the_widget_reads_its_state(under_way: Summary) -> None:
    data, _ = PhaseProgress()._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in data
    assert "50 of 80 points self-checked, 42 of 100 graded" in data["text/plain"]


def answers(shown: PhaseProgress, monkeypatch: pytest.MonkeyPatch, message: dict[str, Any]) -> Any:
    """Return what the widget sends back when the browser sends a message."""
    sent: list[Any] = []
    monkeypatch.setattr(shown, "send", lambda content, buffers=None: sent.append(content))
    shown._handle_custom_msg(message, [])
    [answer] = sent
    return answer


def test_a_click_opens_the_month_and_says_where_it_lies(
    log: Store, course: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = answers(PhaseProgress(), monkeypatch, {"open": "month-01"})
    assert answer == {"path": "month-01/month-01.ipynb", "notice": ""}
    assert (course / "workspace" / "month-01" / "month-01.ipynb").is_file()


@pytest.mark.parametrize(
    "message", [{"open": "month-02"}, {"open": "../../etc"}, {"open": None}, {}, {"x": 1}]
)
def test_a_click_that_cannot_open_anything_gets_a_sentence(
    log: Store, monkeypatch: pytest.MonkeyPatch, message: dict[str, Any]
) -> None:
    answer = answers(PhaseProgress(), monkeypatch, message)
    assert answer.keys() == {"notice"}
    assert answer["notice"]


async def until(holds: Callable[[], bool]) -> None:
    async def wait() -> None:
        while not holds():
            await asyncio.sleep(0)

    await asyncio.wait_for(wait(), timeout=60)


def in_a_loop(story: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(story(), timeout=120))  # type: ignore[arg-type]


def test_the_widget_notices_what_another_process_appends(log: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(widget, "_POLL_S", 0.01)
    monkeypatch.setattr(PhaseProgress, "comm", object(), raising=False)
    monkeypatch.setattr(PhaseProgress, "send_state", lambda *_, **__: None)

    async def story() -> None:
        shown = PhaseProgress()
        for cell, total in (("second", 30), ("third", 50)):
            command = [sys.executable, "-c", PASSES, cell, str(POINTS[cell])]
            other = await asyncio.create_subprocess_exec(*command)
            assert await other.wait() == 0
            await until(lambda total=total: shown.state["selfChecked"] == total)
        task = shown._task
        assert task
        monkeypatch.setattr(PhaseProgress, "comm", None)
        shown.close()
        await until(task.done)

    in_a_loop(story)
