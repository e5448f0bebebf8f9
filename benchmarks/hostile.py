"""What do hostile submissions get from stock nbgrader, and what from the course's own grading?

    python benchmarks/hostile.py [--family NAME ...] [--workers 2]

Each attack of ``tests/hostile`` is graded in a class of its own, before an honest submission, by stock
nbgrader. Printed by family: attacks that get points they do not deserve, and attacks that change or stop what
the honest submission gets. The families *host attack*, *resource* and *race and interruption* are not run:
stock nbgrader has no sandbox, and they would run as you. `pytest tests/test_hostile.py` is the same suite,
whole, for the course's own grading; it fails if one attack succeeds.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from nbgrader.api import Gradebook, MissingEntry

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.hostile import ATTACKS, HONEST, lab  # noqa: E402
from tests.hostile.attack import Attack  # noqa: E402
from tests.hostile.world import World, decoys  # noqa: E402

FAMILIES = ("test cheating", "notebook surgery", "malformed input", "codec attacks")
PATIENCE_S = 180
FIRST, SECOND = "a-attack", "z-honest"


def stock(attack: Attack, release: lab.Release, course: Path, world: World) -> tuple[bool, bool]:
    """Grade one attack and then an honest submission with stock nbgrader.

    Returns:
        Whether the attack has points that it does not deserve, and whether the honest one lacks its own.
    """
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for name in ("source", "roadmap.yaml"):
            os.symlink(course / name, root / name)
        for name in ("grader_config.py", "nbgrader_config.py", "gradebook.db"):
            shutil.copy(course / name, root / name)
        attack.hand_in(_folder(root, FIRST), release, world)
        HONEST[0].hand_in(_folder(root, SECOND), release)
        _nbgrader(root, "autograde")
        scores = _scores(root)
    return scores.get(FIRST, 0) > attack.deserves, scores.get(SECOND) != HONEST[0].deserves


def _folder(root: Path, student: str) -> Path:
    folder = root / "submitted" / student / lab.NAME
    folder.mkdir(parents=True)
    return folder


def _nbgrader(root: Path, *command: str) -> None:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("AISECOPS_")}
    process = subprocess.Popen(
        [sys.executable, "-m", "nbgrader", *command, lab.NAME],
        cwd=root,
        env=environment | {"AISECOPS_COURSE": str(root)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        process.wait(PATIENCE_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 9)
        process.wait()


def _scores(root: Path) -> dict[str, float]:
    found = {}
    with Gradebook(f"sqlite:///{root / 'gradebook.db'}") as gradebook:
        for student in (FIRST, SECOND):
            try:
                notebook = gradebook.find_submission_notebook(lab.NAME, lab.NAME, student)
            except MissingEntry:
                continue
            found[student] = sum(grade.auto_score or 0 for grade in notebook.grades)
    return found


def main() -> int:
    """Run the suite."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--family", nargs="+", choices=FAMILIES, default=list(FAMILIES))
    arguments.add_argument("--workers", type=int, default=2)
    options = arguments.parse_args()
    tried = [attack for attack in ATTACKS if attack.family in options.family]
    took, harmed = Counter[str](), Counter[str]()
    with tempfile.TemporaryDirectory() as folder, decoys() as world:
        course = Path(folder)
        os.environ["AISECOPS_COURSE"] = folder
        release = lab.build(course)
        (course / "nbgrader_config.py").write_text('load_subconfig("grader_config.py")\n', encoding="utf-8")
        _nbgrader(course, "generate_assignment", "--force")

        def run(attack: Attack) -> tuple[bool, bool]:
            return stock(attack, release, course, world)

        with ThreadPoolExecutor(options.workers) as pool:
            for attack, (points, others) in zip(tried, pool.map(run, tried), strict=True):
                took[attack.family] += points
                harmed[attack.family] += others
                print(f"{attack.family:18} {attack.name:40} {'points ' * points}{'honest harmed' * others}")
    print()
    for family in options.family:
        of = sum(attack.family == family for attack in tried)
        print(f"{family:18} of {of}: {took[family]} take points, {harmed[family]} harm honest submissions")
    return 0


if __name__ == "__main__":
    sys.exit(main())
