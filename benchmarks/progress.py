"""What does the progress chart cost: to show in a fresh kernel, and to refresh over a long log?

    python benchmarks/progress.py [--runs 5] [--attempts 100000]

Prints medians in seconds. Exits with 1 if the first is 1 s or more, or the second 0.5 s or more.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from jupyter_client.manager import start_new_kernel

from aisecops import exercises
from aisecops.progress.store import SELF_CHECKED, Event, Store
from aisecops.progress.widget import PhaseProgress

SHOW_S, REFRESH_S = 1.0, 0.5
_MEASURE = """
import time, ipywidgets
_start = time.perf_counter()
from aisecops.progress import PhaseProgress
display(PhaseProgress())
print(time.perf_counter() - _start)
"""


def show() -> float:
    """Return the seconds to import and show the chart in a fresh kernel that has ipywidgets."""
    manager, client = start_new_kernel()
    printed: list[str] = []

    def collect(message: dict) -> None:
        if message["msg_type"] == "stream":
            printed.append(message["content"]["text"])

    try:
        client.execute_interactive(_MEASURE, output_hook=collect, timeout=120)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    return float(printed[-1])


def fill(attempts: int) -> None:
    """Record so many attempts, spread over all checks; every fifth passes."""
    checks = [check for exercise in exercises.load() for check in exercise.checks if not check.by_hand]
    rows = [(number, checks[number % len(checks)]) for number in range(attempts)]
    Store().append(
        *(Event(SELF_CHECKED, c.cell, c.points * (n % 5 == 0), c.points, "a reason") for n, c in rows)
    )


def refresh(chart: PhaseProgress) -> float:
    """Return the seconds from a new attempt to the chart that shows it: read, sum up, hand to the browser."""
    Store().append(Event(SELF_CHECKED, exercises.load()[0].checks[0].cell, 0, 1))
    start = time.perf_counter()
    chart.refresh()
    return time.perf_counter() - start


def main() -> None:
    """Parse the arguments and measure on an empty desk."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--attempts", type=int, default=100_000)
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as desk:
        os.environ["AISECOPS_DESK"] = str(Path(desk))
        shown = [show() for _ in range(wanted.runs)]
        fill(wanted.attempts)
        chart = PhaseProgress()
        refreshed = [refresh(chart) for _ in range(wanted.runs)]
    slow = False
    for what, times, bound in (
        ("import and show in a fresh kernel, on top of ipywidgets", shown, SHOW_S),
        (f"refresh with {wanted.attempts:,} attempts", refreshed, REFRESH_S),
    ):
        median = statistics.median(times)
        slow |= median >= bound
        print(f"{what}: {median:.3f} s (at most {max(times):.3f} s; must stay under {bound:g} s)")
    sys.exit(slow)


if __name__ == "__main__":
    main()
