"""The hook in every kernel: it records visible checks on the desk, says so in one line, and never gets in the way."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from jupyter_client import BlockingKernelClient
from jupyter_client.manager import start_new_kernel
from traitlets.config import Config

from aisecops import progress
from aisecops.build import build
from aisecops.progress import hook, times
from aisecops.progress.store import SELF_CHECKED, Event, Store

Run = Callable[..., str]

SOLUTION = "def least(numbers):\n    return min(numbers)"


@pytest.fixture
def notebook(course: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The tiny lab's notebook on the desk, as the one that runs."""
    build()
    path = course / "workspace" / "month-01" / "month-01.ipynb"
    path.parent.mkdir(parents=True)
    monkeypatch.setenv("JPY_SESSION_NAME", str(path))
    return path


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """A way to run a cell in a shell with the hook; gives the line that stands under the cell."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    hook._say_once.cache_clear()
    shell = InteractiveShell.instance(config=Config({"HistoryManager": {"enabled": False}}))
    progress.load_ipython_extension(shell)

    def run_cell(source: str, cell: str | None = None) -> str:
        with capture_output() as shown:
            shell.run_cell(source, cell_id=cell)
        lines = [output.data["text/plain"] for output in shown.outputs if "text/html" in output.data]
        assert len(lines) <= 1
        return "".join(lines)

    yield run_cell
    progress.unload_ipython_extension(shell)
    InteractiveShell.clear_instance()


def recorded() -> list[tuple[str, float, float, str]]:
    events = Store().events()
    assert all(event.source == SELF_CHECKED for event in events)
    return [(event.cell, event.points, event.most, event.detail) for event in events]


# What is said and recorded


def test_a_check_that_passes_is_recorded_with_its_points(notebook: Path, run: Run) -> None:
    assert run("1 + 1", "second") == (
        "✓ second: public checks pass · 30 of 30 points · hidden checks run at grading"
    )
    assert recorded() == [("second", 30, 30, "")]


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("assert False, 'add the numbers up'", "add the numbers up"),
        ("assert False, 'first line\\nsecond line'", "first line"),
        ("assert 1 == 2", "the check does not hold"),
        ("raise NotImplementedError", "the solution cell above is not written yet, or not run"),
        ("total_of(1)", "total_of is not defined: run the cells above first, from the top"),
        ("total = )", "SyntaxError: unmatched ')'"),
        ("[][1]", "IndexError: list index out of range"),
        ("raise KeyError", "KeyError"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("raise ValueError('x' * 9999)", f"ValueError: {'x' * 239}…"),
    ],
)  # fmt: skip
def test_a_check_that_fails_says_what_to_do(notebook: Path, run: Run, source: str, reason: str) -> None:
    line = run(source, "second")
    said = line.removeprefix("✗ second: not yet, 0 of 30 points · ")
    assert said.split(" (<ipython")[0] == reason  # a place in a cell, as IPython names it
    assert recorded() == [("second", 0, 30, said)]


def test_an_error_that_cannot_even_say_what_it_is_is_recorded(notebook: Path, run: Run) -> None:
    run("class Mean(Exception):\n    def __str__(self):\n        raise RuntimeError('no')")
    assert run("raise Mean", "second") == "✗ second: not yet, 0 of 30 points · Mean"
    assert recorded() == [("second", 0, 30, "Mean")]


def test_each_part_of_an_exercise_counts_for_itself(notebook: Path, run: Run) -> None:
    assert run("pass", "first").startswith("✓ first (check 1 of 2): public checks pass · 20 of 20 points")
    assert run("assert 0, 'no'", "first-2") == "✗ first (check 2 of 2): not yet, 0 of 10 points · no"
    assert recorded() == [("first", 20, 20, ""), ("first-2", 0, 10, "no")]


def test_the_line_shows_a_message_as_text_not_as_markup(notebook: Path, run: Run) -> None:
    shell = InteractiveShell.instance()
    with capture_output() as shown:
        shell.run_cell("assert 0, '<b>bold</b> & more'", cell_id="second")
    [html] = [output.data["text/html"] for output in shown.outputs if "text/html" in output.data]
    assert "&lt;b&gt;bold&lt;/b&gt; &amp; more" in html
    assert 'role="status"' in html


# What is not recorded


@pytest.mark.parametrize(
    "cell", [None, "", "play", "first-solution", "first-task", "essay", "essay-written", "unknown"]
)
def test_other_cells_leave_no_trace(notebook: Path, run: Run, cell: str | None) -> None:
    assert run("assert False, 'not a check'", cell) == ""
    assert not Store().file.exists()


def test_a_notebook_elsewhere_leaves_no_trace(
    notebook: Path, run: Run, course: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JPY_SESSION_NAME", str(course / "source" / "month-01" / "month-01.ipynb"))
    assert run("pass", "second") == ""
    assert not Store().file.exists()


@pytest.mark.parametrize("name", [None, "a-uuid-of-a-console"])
def test_without_a_path_the_working_folder_counts(
    notebook: Path, run: Run, course: Path, monkeypatch: pytest.MonkeyPatch, name: str | None
) -> None:
    monkeypatch.delenv("JPY_SESSION_NAME")
    if name:
        monkeypatch.setenv("JPY_SESSION_NAME", name)
    monkeypatch.chdir(course)
    assert run("pass", "second") == ""
    monkeypatch.chdir(notebook.parent)
    assert run("pass", "second").startswith("✓ second")
    assert len(recorded()) == 1


def test_a_kernel_outside_any_course_is_left_in_peace(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AISECOPS_DESK", raising=False)
    monkeypatch.setenv("AISECOPS_COURSE", str(tmp_path))
    assert run("pass", "second") == ""


# Trouble is a sentence, never an error


def test_a_log_that_cannot_be_written_is_said_beside_the_result(notebook: Path, run: Run) -> None:
    (notebook.parents[1] / ".progress").write_text("a file where a folder should be")
    line = run("pass", "second")
    assert line.startswith("✓ second: public checks pass")
    assert "not recorded: cannot keep progress in" in line


def test_a_rescue_is_said_beside_the_result(notebook: Path, run: Run) -> None:
    store = Store()
    store.append(Event(SELF_CHECKED, "first", 20, 20))
    store.file.write_bytes(b"no database" * 1000)
    line = run("pass", "second")
    assert "✓ second" in line
    assert "the progress file was damaged" in line
    assert [cell for cell, *_ in recorded()] == ["second"]


def test_a_missing_catalogue_is_said_once(notebook: Path, run: Run, course: Path) -> None:
    (course / "release" / "exercises.json").unlink()
    assert run("pass", "second").startswith("progress is not recorded: ")
    assert run("pass", "second") == ""
    assert not Store().file.exists()


@pytest.mark.parametrize("error", [RuntimeError("a bug"), KeyboardInterrupt()])
def test_a_bug_in_the_store_never_breaks_a_learners_cell(
    notebook: Path, run: Run, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    def broken(*_: object) -> None:
        raise error

    monkeypatch.setattr(Store, "append", broken)
    assert run("answer = 42", "second").startswith("progress was not recorded: ")
    assert run("assert answer == 42") == ""


def test_even_a_display_that_fails_breaks_nothing(
    notebook: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: str) -> None:
        raise OSError("the pipe is gone")

    monkeypatch.setattr(hook, "_show", broken)
    assert run("pass", "second") == ""
    assert len(recorded()) == 1


# In a real kernel


def execute(client: BlockingKernelClient, code: str, cell: str | None = None) -> str:
    """Run code as a frontend does, with a cell's id, and return the texts shown."""
    content = {"code": code, "silent": False, "store_history": False, "user_expressions": {},
               "allow_stdin": False, "stop_on_error": False}  # fmt: skip
    message = client.session.msg("execute_request", content, metadata={"cellId": cell} if cell else {})
    client.shell_channel.send(message)
    shown = []
    while True:
        answer = client.get_iopub_msg(timeout=60)
        if answer["parent_header"].get("msg_id") != message["header"]["msg_id"]:
            continue
        if answer["msg_type"] == "display_data":
            shown.append(answer["content"]["data"]["text/plain"])
        if answer["msg_type"] == "stream":
            shown.append(answer["content"]["text"])
        if answer["content"].get("execution_state") == "idle":
            return "\n".join(shown)


def test_a_real_kernel_records_checks_by_their_cell_id_alone(notebook: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "IPYTHONDIR": str(tmp_path / "ipython")}
    manager, client = start_new_kernel(cwd=str(notebook.parent), env=environment)
    try:
        # The environment's kernels load it by themselves; a test environment may lack that setting.
        execute(client, "if 'aisecops.progress' not in get_ipython().extension_manager.loaded:\n"
                        "    get_ipython().extension_manager.load_extension('aisecops.progress')")  # fmt: skip
        assert "least is not defined" in execute(client, "assert least([2, 1]) == 1", "first")
        execute(client, SOLUTION, "first-solution")
        assert execute(client, "assert least([2, 1]) == 1") == "", "grading and Validate pass no id"
        assert "✓ first (check 1 of 2)" in execute(client, "assert least([2, 1]) == 1", "first")
        assert execute(client, "%unload_ext aisecops.progress\nassert least([4]) == 4", "first-2") == ""
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    assert [(cell, points) for cell, points, *_ in recorded()] == [("first", 0), ("first", 20)]


def test_loading_costs_a_kernel_nothing_heavy() -> None:
    heavy = {"sqlite3", "pandas", "matplotlib", "ipywidgets", "pydantic", "yaml", "IPython", "nbformat"}
    code = f"import sys, aisecops.progress; print(sorted({heavy!r} & sys.modules.keys()))"
    # The measuring of coverage loads sqlite3 itself.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    command = [sys.executable, "-c", code]
    shown = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


def test_the_room_offers_the_chart_and_nothing_else() -> None:
    assert progress.PhaseProgress.__name__ == "PhaseProgress"
    with pytest.raises(AttributeError, match="no attribute 'chart'"):
        progress.chart  # noqa: B018


# Time on task


def noted(notebook: Path) -> dict[str, Any]:
    return json.loads((notebook.parent / "time-on-task.json").read_text(encoding="utf-8"))


def test_each_check_run_is_noted_beside_the_notebook(notebook: Path, run: Run) -> None:
    run("pass", "first")
    run("assert 0", "first-2")
    run("pass", "second")
    told = noted(notebook)
    assert (told["format"], told["notebook"], list(told["exercises"])) == (1, "month-01", ["first", "second"])
    first = told["exercises"]["first"]
    at = [event.at for event in Store().events()]
    assert (first["runs"], first["first"], first["last"]) == (2, at[0], at[1])
    assert [path.name for path in notebook.parent.iterdir()] == ["time-on-task.json"], "nothing half-written"


def test_what_the_hook_notes_is_what_an_instructor_reads(notebook: Path, run: Run) -> None:
    from aisecops.cohort.work import read_times

    run("pass", "first")
    run("pass", "first")
    (time,) = read_times((notebook.parent / "time-on-task.json").read_bytes(), ["first", "second"])
    assert (time.exercise, time.runs) == ("first", 2)


def test_minutes_are_counted_from_check_to_check_and_a_pause_as_ten() -> None:
    def at(minute: int, zone: str = "+00:00") -> str:
        return f"2026-03-02T{10 + minute // 60}:{minute % 60:02}:00.000{zone}"

    runs = [("a", at(0)), ("a", at(4)), ("b", at(10)), ("b", at(60)), ("a", at(63)), ("b", at(123, "+01:00"))]
    # The last was at 11:03 as well, in another time zone.
    assert times.times(reversed(runs)) == {
        "a": {"runs": 3, "first": at(0), "last": at(63), "minutes": 7.0},
        "b": {"runs": 3, "first": at(10), "last": at(123, "+01:00"), "minutes": 16.0},
    }
    assert times.times([]) == {}


def test_a_time_that_cannot_be_noted_disturbs_nobody(
    notebook: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a bug")

    (notebook.parent / "time-on-task.json").mkdir()
    assert run("pass", "second").endswith("hidden checks run at grading")
    monkeypatch.setattr(times, "keep", broken)
    assert run("pass", "second").endswith("hidden checks run at grading")
    assert len(recorded()) == 2


def test_no_folder_is_made_for_times(
    notebook: Path, run: Run, course: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notebook.parent.rmdir()
    monkeypatch.setenv("JPY_SESSION_NAME", str(course / "workspace" / "copy" / "month-01.ipynb"))
    assert run("pass", "second").startswith("✓ second")
    assert not notebook.parent.exists()
