"""Instructor's cells that depend on no answer run once a batch, and a submission notices no difference."""

import gc
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat import NotebookNode

from aisecops.grading import names, sandbox
from aisecops.grading.plan import Warm, cells_of, modules_of, warm_cells
from aisecops.grading.server import Server
from tests.test_split import cell

LOCKED_IN = not sandbox.works()


def month(*cells: NotebookNode) -> NotebookNode:
    return nbformat.v4.new_notebook(cells=list(cells))


SOURCE = month(
    cell("imports", "import math\nfrom pathlib import Path\n%precision 3"),
    cell("data", "numbers = [1, 2]\ntext = 'first'"),
    cell("answer", "def f(x):\n    return x", locked=False, solution=True),
    cell("check", "assert f(text) == 'first'\n_got = f(1)", grade=True),
    cell("again", "text = 'second'\nmore = [n * 2 for n in numbers]"),
    cell("change", "numbers.append(3)"),
    cell("after", "length = len(numbers)"),
    cell("draw", "drawn = f(text)"),
    cell("late", "assert f(text) == 'second' and more == [2, 4] and length == 3", grade=True),
)


def test_only_what_depends_on_no_answer_is_warm() -> None:
    warm = warm_cells(SOURCE)
    assert list(warm) == ["imports", "data", "again"]
    assert "data" not in warm_cells(SOURCE, without=["data"])
    assert "again" not in warm_cells(SOURCE, without=["data"]), "nor what builds on a cell that is not"
    assert modules_of(SOURCE) == ["math", "pathlib"]


@pytest.mark.parametrize(
    ("own", "rerun"),
    [
        ("print('nothing of it')", set()),
        ("numbers.append(9)", {"again"}),
        ("numbers = [7]", {"again"}),
        ("!echo numbers", {"again"}),
        ("f(3)", set()),
    ],
)
def test_a_warm_cell_runs_anew_where_a_learner_may_have_changed_what_it_reads(
    own: str, rerun: set[str]
) -> None:
    cells = list(SOURCE.cells)
    cells.insert(4, cell("mine", own, own=True))
    warm = Warm(warm_cells(SOURCE), frozenset({"f"}))
    planned = {c.id: c for c in cells_of(month(*cells), warm)}
    assert {name for name in warm.cells if not planned[name].recalled} == rerun
    assert all(planned[name].warm for name in warm.cells)


def test_cells_that_only_show_can_be_left_out() -> None:
    planned = {c.id: c for c in cells_of(SOURCE, show=False)}
    assert planned["draw"].student == ""
    assert {c.id: c for c in cells_of(SOURCE)}["draw"].student


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Any:
    untidy = (
        cell("thread", "import threading\nthread = threading.Thread(target=threading.Event().wait, daemon=True)\nthread.start()"),
        cell("alive", "running = thread.is_alive()"),
        cell("file", "Path('kept.txt').write_text('kept')"),
        cell("sees", "assert f(running) is True and f(Path('kept.txt').exists()) is True", grade=True),
    )  # fmt: skip
    running = Server(month(*SOURCE.cells, *untidy))
    running.source = month(*SOURCE.cells, *untidy)  # type: ignore[attr-defined]
    yield running
    running.close()


def run(server: Any, tmp_path: Path, **changes: str) -> dict[str, list[dict[str, Any]]]:
    notebook = nbformat.from_dict(server.source)
    cells = [cell(c.id, changes.get(c.id, c.source), **_marks(c)) for c in notebook.cells]
    work, checks = tmp_path / "work", tmp_path / "checks"
    work.mkdir(), checks.mkdir()
    planned = cells_of(month(*cells), server.warm)
    outcome = server.grade(planned, work, checks, sandbox=LOCKED_IN)
    assert outcome.died == ""
    return dict(outcome.shown)


def _marks(cell: NotebookNode) -> dict[str, Any]:
    nbgrader = cell.metadata.nbgrader
    return {name: nbgrader[name] for name in ("grade", "locked", "solution")}


def errors(shown: dict[str, list[dict[str, Any]]]) -> dict[str, str]:
    return {
        id_: output["traceback"][0]
        for id_, outputs in shown.items()
        for output in outputs
        if output["output_type"] == "error"
    }


def test_names_have_in_each_cell_the_values_that_they_have_in_a_notebook(server: Any, tmp_path: Path) -> None:
    assert errors(run(server, tmp_path)) == {}


def test_cells_that_leave_threads_or_files_run_in_each_submission(server: Any) -> None:
    assert not {"thread", "alive", "file"} & set(server.warm.cells)
    assert {"imports", "data", "again"} <= set(server.warm.cells)


def test_a_wrong_answer_fails_where_it_should(server: Any, tmp_path: Path) -> None:
    failed = errors(run(server, tmp_path, answer="def f(x):\n    return None"))
    assert set(failed) == {"check", "late", "sees"}


def test_the_learners_side_has_never_seen_a_hidden_check(server: Any, tmp_path: Path) -> None:
    looks = (
        "import gc\n\ndef f(x):\n    return x\n\n"
        "print([t[:40] for t in gc.get_objects() if isinstance(t, str) and t.startswith('assert f(running)')])"
    )
    shown = run(server, tmp_path, answer=looks)
    assert shown["answer"][0]["text"].startswith("[]")


def test_threads_plan_at_the_same_time() -> None:
    """CPython 3.11 trips over two threads that build syntax trees: an honest submission would be lost."""
    sources = [f"x{k} = {'(' * 9}{k}{')' * 9}\n" + "f(a[0], b={1: [2, 3]})\n" * 20 for k in range(200)]

    def other_threads_turn(*_: Any) -> None:
        for _ in range(20):
            pass

    before, often = sys.getswitchinterval(), gc.get_threshold()
    gc.callbacks.append(other_threads_turn)
    sys.setswitchinterval(1e-6)
    gc.set_threshold(20, *often[1:])
    try:
        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(names.defined, sources)) == [(f"x{k}",) for k in range(200)]
    finally:
        gc.set_threshold(*often)
        sys.setswitchinterval(before)
        gc.callbacks.remove(other_threads_turn)
