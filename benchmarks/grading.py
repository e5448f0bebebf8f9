"""How fast is grading, against stock nbgrader in the same run, and how much memory does it need?

    python benchmarks/grading.py speed [--submissions 40] [--only ours]
    python benchmarks/grading.py memory [--submissions 40 2000]
    python benchmarks/grading.py cluster [--submissions 40] [--workers 1 2 4]

``speed`` grades the same mixed submissions of month 1 with stock nbgrader and with the course's own grading,
sandbox and split execution on; the scores must be the same. It also runs the cells alone, in one warm process
a submission, for the overhead. Exits with 1 if the scores differ or the ratio is below 15.

``memory`` grades synthetic submissions of a tiny month and prints the peak of the process that coordinates.

``cluster`` grades the same submissions on a Dask cluster of so many workers on this machine.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.test_flow import MONTH, Classroom, submissions_of_a_class  # noqa: E402

BAR = 15
CHEAT = "11-cheats"  # deserves nothing, but stock nbgrader gives it points


def classroom(folder: Path, count: int, *, stock: bool) -> tuple[Classroom, dict[str, float]]:
    """Return a class with so many submissions of different quality, and what each deserves."""
    folder.mkdir()
    room = Classroom(folder)
    if stock:
        (folder / "nbgrader_config.py").write_text('load_subconfig("grader_config.py")\n', encoding="utf-8")
        room.nbgrader("generate_assignment", MONTH, "--force")
    kinds = {
        name: submission
        for name, submission in submissions_of_a_class(
            room.notebook("release"), room.notebook("source")
        ).items()
        if name not in (CHEAT, "12-burglar")
    }
    deserved = {}
    for number in range(count):
        kind = list(kinds)[number % len(kinds)]
        student = f"{number:04}-{kind}"
        room.hand_in(student, kinds[kind][0])
        deserved[student] = kinds[kind][1]
    return room, deserved


def timed(room: Classroom, command: list[str]) -> float:
    """Run a command in a class; return its seconds."""
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=room.root, env=room.environment, capture_output=True, text=True
    )
    if done.returncode:
        sys.exit(done.stderr[-3000:])
    return time.perf_counter() - start


def plain(room: Classroom) -> float:
    """Return the seconds to run all submissions' cells in forks of one warm process, one after the other."""
    from aisecops.grading.shell import Shell

    for name in ("numpy", "pandas", "matplotlib.pyplot", "sklearn.linear_model", "networkx", "skops.io"):
        __import__(name)
    shell = Shell.instance()
    shell.run("%matplotlib inline")
    source = room.notebook("source")
    locked = {c.id: c.source for c in source.cells if c.metadata.get("nbgrader", {}).get("locked")}
    start = time.perf_counter()
    for path in sorted((room.root / "submitted").glob(f"*/{MONTH}/{MONTH}.ipynb")):
        cells = nbformat.read(path, as_version=4).cells
        if os.fork() == 0:
            os.chdir(tempfile.mkdtemp())
            for cell in cells:
                if cell.cell_type == "code":
                    shell.run(locked.get(cell.id, cell.source))
            os._exit(0)
        os.wait()
    return time.perf_counter() - start


def speed(count: int, only: str) -> int:
    """Compare with stock nbgrader."""
    seconds, scores = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        for name in ("ours", "stock"):
            if only not in ("", name):
                continue
            room, deserved = classroom(Path(folder) / name, count, stock=name == "stock")
            module = ["aisecops.cli", "grade", MONTH] if name == "ours" else ["nbgrader", "autograde", MONTH]
            seconds[name] = timed(room, module)
            scores[name] = {student: sum(room.scores(student).values()) for student in deserved}
            print(f"{name}: {count} submissions in {seconds[name]:.1f} s, {seconds[name] / count:.2f} s each")
            if scores[name] != deserved:
                print("scores differ from what is deserved:", name)
                return 1
        alone = plain(room)
        print(f"the cells alone, one process, nothing else: {alone:.1f} s, {alone / count:.2f} s each")
    if len(seconds) < 2:
        return 0
    ratio = seconds["stock"] / seconds["ours"]
    print(f"{os.cpu_count()} cores, same scores: {ratio:.1f} times as fast (bar: {BAR})")
    return ratio < BAR


def memory(counts: list[int]) -> int:
    """Print the coordinator's peak memory for each number of synthetic submissions."""
    from tests.hostile import lab
    from tests.hostile.honest import HONEST

    for count in counts:
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            os.environ["AISECOPS_COURSE"] = folder
            release = lab.build(root)
            for number in range(count):
                place = root / "submitted" / f"s{number:05}" / lab.NAME
                place.mkdir(parents=True)
                HONEST[number % len(HONEST)].hand_in(place, release)
            script = (
                "import resource, sys; from aisecops.cli import app\n"
                "try: app(sys.argv[1:])\n"
                "finally: print('peak', resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)"
            )
            start = time.perf_counter()
            done = subprocess.run(
                [sys.executable, "-c", script, "grade", lab.NAME],
                cwd=root,
                capture_output=True,
                text=True,
            )
            found = re.search(r"peak (\d+)", done.stdout)
            if done.returncode or not found:
                sys.exit(done.stderr[-3000:])
            took = time.perf_counter() - start
            print(f"{count} submissions: coordinator {found[1]} MiB at most, {took:.1f} s")
    return 0


def cluster(count: int, widths: list[int]) -> int:
    """Print the throughput on Dask clusters of several widths."""
    from distributed import LocalCluster

    with tempfile.TemporaryDirectory() as folder:
        room, deserved = classroom(Path(folder) / "room", count, stock=False)
        for width in widths:
            with LocalCluster(
                n_workers=width, threads_per_worker=1, host="127.0.0.1", dashboard_address=None
            ) as running:
                for left in ("autograded", ".grading"):
                    shutil.rmtree(room.root / left, ignore_errors=True)
                took = timed(room, ["aisecops.cli", "grade", MONTH, "--scheduler", running.scheduler_address])
            same = {student: sum(room.scores(student).values()) for student in deserved} == deserved
            print(f"{width} workers: {count} submissions in {took:.1f} s, {count / took * 60:.0f} a minute")
            if not same:
                return 1
    return 0


def main() -> int:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("what", choices=["speed", "memory", "cluster"])
    parser.add_argument("--submissions", type=int, nargs="*")
    parser.add_argument("--workers", type=int, nargs="*", default=[1, 2, 4])
    parser.add_argument("--only", default="", choices=["", "ours", "stock"])
    given = parser.parse_args()
    if given.what == "memory":
        return memory(given.submissions or [40, 2000])
    count = (given.submissions or [40])[0]
    return speed(count, given.only) if given.what == "speed" else cluster(count, given.workers)


if __name__ == "__main__":
    sys.exit(main())
