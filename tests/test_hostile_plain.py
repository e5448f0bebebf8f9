"""The attacks are real: in a plain notebook, without split execution and intake, they take points they do not deserve."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbgrader.utils import determine_grade, is_solution

from aisecops.grading.forks import Ended, Forks
from aisecops.grading.shell import Shell
from tests.hostile import ATTACKS, HONEST
from tests.hostile.attack import Attack
from tests.hostile.lab import ALL, NAME, Release, build
from tests.hostile.world import World, decoys, reached

TRIED = [attack for attack in ATTACKS if attack.family in ("test cheating", "notebook surgery")]


def plain(path: Path, whole: dict[str, str]) -> list[dict[str, Any]]:
    """Run a notebook as handed in; return its graded cells.

    Args:
        path: of the notebook.
        whole: texts of locked cells with their hidden checks, by the text without them.
    """
    os.chdir(path.parent)
    notebook = json.loads(path.read_text(encoding="utf-8"))
    graded = []
    for cell in notebook.get("cells", []):
        if cell["cell_type"] != "code":
            continue
        meta = cell["metadata"].get("nbgrader", {})
        text = whole.get(cell["source"], cell["source"]) if meta.get("locked") else cell["source"]
        try:
            outputs = Shell.instance().run(text)
        except BaseException as error:
            outputs = [nbformat.v4.new_output("error", ename=type(error).__name__, evalue="", traceback=[])]
        if meta.get("grade") and not meta.get("solution"):
            graded.append({**cell, "source": text, "outputs": outputs})
    return graded


def points(cells: list[dict[str, Any]]) -> float:
    total = 0.0
    for cell in cells:
        with contextlib.suppress(ValueError, TypeError):  # nbgrader gives up on such points and outputs
            total += determine_grade(nbformat.from_dict(cell))[0] or 0
    return total


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> tuple[Release, dict[str, str]]:
    """The lab as learners get it, and the texts of its locked cells by what learners see of them."""
    root = tmp_path_factory.mktemp("course")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AISECOPS_COURSE", str(root))
        made = build(root)
    source = nbformat.read(root / "source" / NAME / f"{NAME}.ipynb", as_version=4)
    texts = {cell.id: cell.source for cell in source.cells}
    return made, {cell.source: texts[cell.id] for cell in made.notebook.cells if not is_solution(cell)}


@pytest.fixture(scope="module")
def taken(
    release: tuple[Release, dict[str, str]], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, float]:
    """What each attack and each honest submission gets in a plain notebook, by name."""
    import matplotlib.pyplot  # noqa: F401  (once, before anything forks)

    made, whole = release
    scores: dict[str, float] = {}
    forks = Forks(2)
    with decoys() as world:
        for name, hand_in in _all(made, world):
            folder = tmp_path_factory.mktemp("submission")
            hand_in(folder)

            def note(ended: Ended, name: str = name) -> None:
                scores[name] = points(ended.value) if ended.value else 0.0

            forks.start(lambda folder=folder: plain(folder / f"{NAME}.ipynb", whole), note, 30)
        forks.drain()
        assert reached(world) == []
    return scores


def _all(made: Release, world: World) -> Iterator[tuple[str, Callable[[Path], None]]]:
    for honest in HONEST:
        yield honest.name, lambda folder, honest=honest: honest.hand_in(folder, made)
    for attack in TRIED:
        yield attack.name, lambda folder, attack=attack: attack.hand_in(folder, made, world)


@pytest.mark.parametrize("honest", HONEST, ids=lambda honest: honest.name)
def test_honest_submissions_get_what_they_deserve(taken: dict[str, float], honest: Any) -> None:
    assert taken[honest.name] == honest.deserves


@pytest.mark.parametrize("attack", TRIED, ids=lambda attack: attack.name)
def test_an_attack_works_in_a_plain_notebook_or_says_what_else_it_aims_at(
    taken: dict[str, float], attack: Attack
) -> None:
    assert taken[attack.name] != attack.deserves or "aims at" in attack.what


def test_most_cheats_take_points_in_a_plain_notebook(taken: dict[str, float]) -> None:
    takes = [attack.name for attack in TRIED if taken[attack.name] > attack.deserves]
    assert len(takes) >= 30
    assert max(taken[attack.name] for attack in TRIED if attack.family == "test cheating") == ALL


def test_the_suite_is_as_large_as_it_has_to_be() -> None:
    families = Counter(attack.family for attack in ATTACKS)
    assert len(families) == 7
    assert min(families.values()) >= 8
    assert len({attack.name for attack in ATTACKS} | {honest.name for honest in HONEST}) == len(
        ATTACKS
    ) + len(HONEST)
    for attack in ATTACKS:
        assert 0 <= attack.deserves <= ALL
        assert attack.what[0].islower()
        assert attack.ends == "graded" or attack.deserves == 0


def test_the_decoys_notice_what_reaches_them(tmp_path: Path) -> None:
    """Without a sandbox each of these is seen, and taken away at the end."""
    with decoys() as world:
        assert reached(world) == []
        world.source.read_text()
        world.outside.write_text("changed")
        (world.loot / "gradebook").write_text("x")
        (world.root / "planted").touch()
        (world.neighbour / f"{NAME}.ipynb").unlink()
        socket.create_connection(("127.0.0.1", world.port)).recv(1)
        left = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", world.mark])
        os.kill(world.pid, signal.SIGKILL)
        os.waitid(os.P_PID, world.pid, os.WEXITED | os.WNOWAIT)
        said = "; ".join(reached(world))
        for word in (
            "port",
            "source was opened",
            "file outside",
            "gradebook",
            "planted",
            "neighbour",
            "left behind",
            "process outside",
        ):
            assert word in said, word
    assert left.wait(10) != 0
    assert not world.root.exists()
