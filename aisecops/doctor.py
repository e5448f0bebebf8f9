"""Says what this machine lacks for the course, and how to get it."""

import os
import shutil
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from aisecops import course
from aisecops.course import CourseError


@dataclass(frozen=True)
class Finding:
    """One thing looked at: ``ok``, or else ``remedy`` says how to put it right.

    ``needed_for`` is ``learners``, ``instructors`` or ``authors``.
    """

    what: str
    needed_for: str
    ok: bool
    detail: str
    remedy: str = ""


def examine() -> list[Finding]:
    """Look at everything the course needs on this machine."""
    learners = [_python(), _packages(), _hook(), _desk(), _memory(), _disk()]
    return [*learners, _alembic(), _sandbox(), _filter(), _browser()]


def _python() -> Finding:
    found = ".".join(map(str, sys.version_info[:3]))
    return Finding(
        "Python",
        "learners",
        sys.version_info >= (3, 11),
        found,
        "install Python 3.11 or newer, then run `make lab`",
    )


def _sandbox() -> Finding:
    from aisecops.grading.sandbox import works

    missing = works()
    return Finding(
        "sandbox for submissions",
        "instructors",
        not missing,
        missing or "locks the learner's process in",
        "grade on Linux, as root or with unprivileged user namespaces; docs/grading.md tells the way without",
    )


def _filter() -> Finding:
    from aisecops.grading.sandbox import filters

    missing = filters()
    return Finding(
        "filter of system calls",
        "instructors",
        not missing,
        missing or "on top of the sandbox",
        "grade on a Linux kernel with CONFIG_SECCOMP_FILTER; the other layers of the sandbox hold without",
    )


def _packages() -> Finding:
    # What the course itself asks for is in the lock as well, but for PyTorch, which comes in several builds.
    wrong = []
    for name, pinned in (
        _exact(requires("aisecops") or ()) | pins(course.root() / "requirements.lock")
    ).items():
        try:
            found = version(name).split("+")[0]
        except PackageNotFoundError:
            found = "missing"
        if found != pinned:
            wrong.append(f"{name} {found}, locked {pinned}")
    detail = "; ".join(wrong[:5]) + (f" and {len(wrong) - 5} more" if len(wrong) > 5 else "")
    return Finding(
        "locked packages", "learners", not wrong, detail or "all as locked", "run `make lab` again"
    )


def pins(lock: Path) -> dict[str, str]:
    """Return the ``name: version`` pairs of a lock that apply to this machine.

    Raises:
        CourseError: the lock is missing.
    """
    try:
        lines = lock.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise CourseError(f"{lock} is missing: restore it from git") from None
    return _exact(lines)


def _exact(lines: Iterable[str]) -> dict[str, str]:
    from packaging.requirements import Requirement

    pinned = {}
    for line in lines:
        if line[:1].isalnum():
            requirement = Requirement(line.rstrip(" \\"))
            if requirement.marker is None or requirement.marker.evaluate():
                pinned[requirement.name] = str(requirement.specifier).removeprefix("==")
    return pinned


def _hook() -> Finding:
    config = Path(sys.prefix, "etc", "ipython", "ipython_kernel_config.py")
    return Finding(
        "progress hook", "learners", config.is_file(), str(config), "install the course again with `make lab`"
    )


def _desk() -> Finding:
    place = course.desk()
    existing = place if place.exists() else place.parent
    return Finding(
        "desk can be written",
        "learners",
        os.access(existing, os.W_OK),
        str(place),
        f"make {existing} writable",
    )


def _memory() -> Finding:
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    except (ValueError, OSError, AttributeError):
        return Finding("memory", "learners", True, "unknown on this system; the labs need 2 GiB")
    return Finding(
        "memory", "learners", total >= 3.5, f"{total:.0f} GiB", "use a machine with at least 4 GiB"
    )


def _disk() -> Finding:
    free = shutil.disk_usage(course.root()).free / 2**30
    return Finding("free disk", "learners", free >= 1, f"{free:.0f} GiB", "free at least 1 GiB")


def _alembic() -> Finding:
    found = shutil.which(
        "alembic", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    )
    return Finding(
        "alembic (nbgrader's database)",
        "instructors",
        found is not None,
        found or "not found",
        "run `make lab` again",
    )


def _browser() -> Finding:
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    return Finding(
        "Chromium (browser tests)",
        "authors",
        found is not None,
        found or "not found",
        "install chromium with your package manager, on Debian `apt-get install chromium`",
    )
