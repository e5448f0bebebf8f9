"""What many tests need: a small course of its own in a temporary folder, and the real one."""

import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ROOT = Path(__file__).resolve().parents[1]

# A lab with one exercise for each objective of month 1, a written answer, and 100 points.
TINY_LAB = '''\
# %% [markdown]
# A tiny lab.

# %%
numbers = [3, 1, 2]

# %% [markdown] exercise="first" objective="m01.1" minutes=10 difficulty=1 standards=["LLM01:2026 Prompt Injection"]
# ### The least
#
# Write `least(numbers)`.

# %% solution="first"
def least(numbers):
    """Return the least number."""
    ### BEGIN SOLUTION
    return min(numbers)
    ### END SOLUTION


# %% tests="first" points=20
assert least([2, 1]) == 1, "return the least of the numbers"
### BEGIN HIDDEN TESTS
assert least([-7, 5]) == -7, "negative numbers count too"
### END HIDDEN TESTS

# %% tests="first" points=10
assert least([4]) == 4, "one number is its own least"

# %% [markdown] exercise="second" objective="m01.2" minutes=10 difficulty=2
# ### The sum

# %% solution="second"
def total(numbers):
    ### BEGIN SOLUTION
    return sum(numbers)
    ### END SOLUTION


# %% tests="second" points=30
assert total([1, 2]) == 3, "add the numbers up"

# %% [markdown] exercise="third" objective="m01.3" minutes=10 difficulty=3
# ### The largest

# %% solution="third"
def largest(numbers):
    ### BEGIN SOLUTION
    return max(numbers)
    ### END SOLUTION


# %% tests="third" points=20
assert largest(numbers) == 3, "return the largest"

# %% scratch="play"
print("change me")

# %% [markdown] exercise="essay" objective="m01.4" minutes=10 difficulty=2 milestone=true
# ### Explain
#
# In your own words.

# %% [markdown] written="essay" points=20
# A model answer that learners must not see.
'''

TINY_START = """\
# %% [markdown]
# # Start here

# %%
print("welcome")
"""


@pytest.fixture
def course(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A course root of its own with the real roadmap and settings, one tiny lab, and an empty desk."""
    for name in ("roadmap.yaml", "grader_config.py", "nbgrader_config.py"):
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "resources").mkdir()
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "month-01.py").write_text(TINY_LAB, encoding="utf-8")
    (tmp_path / "notebooks" / "start-here.py").write_text(TINY_START, encoding="utf-8")
    monkeypatch.setenv("AISECOPS_COURSE", str(tmp_path))
    monkeypatch.delenv("AISECOPS_DESK", raising=False)
    monkeypatch.delenv("AISECOPS_SERVER_ROOT", raising=False)
    return tmp_path


ARTIFACTS = ROOT / "artifacts"


@contextmanager
def running_lab(environment: dict[str, str], *arguments: str) -> Iterator[str]:
    """Run ``aisecops lab`` until the block ends; gives its address.

    It knows no tabs and settings of other labs, which JupyterLab would restore: a test that found them open
    would look at a notebook behind the one it wants.
    """
    command = [sys.executable, "-m", "aisecops.cli", "lab", "--no-browser", *arguments]
    with TemporaryDirectory() as memory, subprocess.Popen(
        command, cwd=environment["AISECOPS_COURSE"], text=True,
        env={**environment, "JUPYTERLAB_WORKSPACES_DIR": memory, "JUPYTERLAB_SETTINGS_DIR": memory},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    ) as server:  # fmt: skip
        said = []
        for line in server.stdout:
            said.append(line)
            if found := re.search(r"http://\S+", line):
                break
        else:
            pytest.fail("the lab did not start:\n" + "".join(said))
        drain = threading.Thread(target=server.stdout.read, daemon=True)
        drain.start()
        try:
            yield found[0]
        finally:
            server.terminate()


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    """The machine's own Chromium, headless.

    While Playwright is open, its event loop counts as running in this thread, and no test can run another.
    So each module that needs a browser closes its own.
    """
    from playwright.sync_api import sync_playwright

    quiet = ["gpu", "background-networking", "component-update", "sync"]
    with sync_playwright() as playwright:
        path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
        assert path, "the browser tests need Chromium: install it (on Debian, apt-get install chromium)"
        chromium = playwright.chromium.launch(
            executable_path=path,
            args=["--no-sandbox", "--no-first-run", *(f"--disable-{name}" for name in quiet)],
        )
        ARTIFACTS.mkdir(exist_ok=True)
        yield chromium
        chromium.close()
