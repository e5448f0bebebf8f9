"""Where the course lies on this machine, and how its files are written safely."""

import os
import tempfile
from pathlib import Path
from typing import Any


class CourseError(Exception):
    """Something a person can put right. Its text is one sentence: what, where, how to fix it."""


def root() -> Path:
    """Return the course root, the folder that holds ``roadmap.yaml``.

    ``AISECOPS_COURSE`` names it outright; otherwise it is the nearest folder above the current
    directory, and last the checkout this package runs from.

    Raises:
        CourseError: none of these holds a ``roadmap.yaml``.
    """
    named = os.environ.get("AISECOPS_COURSE")
    here = Path.cwd()
    candidates = [Path(named)] if named else [here, *here.parents, Path(__file__).resolve().parents[1]]
    for folder in candidates:
        if (folder / "roadmap.yaml").is_file():
            return folder.resolve()
    raise CourseError(
        f"no roadmap.yaml in {candidates[0]}"
        + ("" if named else " or any folder above it")
        + ": run the command inside the course, or set AISECOPS_COURSE to its folder"
    )


def desk() -> Path:
    """Return the learner's desk: ``workspace/`` in the course root, or what ``AISECOPS_DESK`` names.

    The folder need not exist yet.
    """
    named = os.environ.get("AISECOPS_DESK")
    return Path(named).resolve() if named else root() / "workspace"


def settings(name: str) -> Any:
    """Return nbgrader's settings (a traitlets ``Config``) from a file in the course root.

    Args:
        name: ``grader_config.py``, or ``nbgrader_config.py``, which also chooses the converter.

    Raises:
        CourseError: the file is missing.
    """
    from traitlets.config.loader import ConfigFileNotFound, PyFileConfigLoader

    try:
        return PyFileConfigLoader(name, path=str(root())).load_config()
    except ConfigFileNotFound:
        raise CourseError(f"{root() / name} is missing: restore it from git") from None


def write(path: Path, content: str | bytes) -> None:
    """Replace ``path`` by ``content`` in one step: a reader sees the old file or the new, never half.

    Raises:
        CourseError: the folder can't be made or written to.
    """
    data = content.encode() if isinstance(content, str) else content
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        raise CourseError(f"cannot write {path}: {error.strerror}; check the folder's permissions") from None
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        # mkstemp makes private files; an ordinary file follows the umask.
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise CourseError(
            f"cannot write {path}: {error.strerror}; free some space or fix permissions"
        ) from None
