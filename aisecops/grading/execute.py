"""Split execution in the place of nbgrader's own, for ``nbgrader autograde`` and the formgrader's button."""

import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbgrader.preprocessors import NbGraderPreprocessor
from traitlets import Bool

from aisecops.grading.sandbox import SandboxError, works
from aisecops.grading.server import Servers
from aisecops.grading.split import Cell, cells_of

_warm: dict[tuple[str, ...], Servers] = {}


class SplitExecute(NbGraderPreprocessor):  # type: ignore[misc]
    """Runs a submission with its hidden tests in another process than the learner's code."""

    sandbox = Bool(True, help="Lock the learner's process in; without, it can do what you can do.").tag(
        config=True
    )

    def preprocess(self, nb: NotebookNode, resources: dict[str, Any]) -> tuple[NotebookNode, dict[str, Any]]:
        """Run all code cells and keep what they show.

        Args:
            nb: the submission, with the instructor's cells restored from the gradebook.
            resources: nbconvert's; unchanged.
        """
        if self.sandbox and (missing := _missing()):
            raise SandboxError(f"submissions cannot be locked in here: {missing}; see docs/grading.md")
        cells = cells_of(nb)
        length = _prefix_length(nb, cells)
        servers = _servers(cells[:length])
        with tempfile.TemporaryDirectory(prefix="submission-") as folder:
            shown = servers.grade(cells[length:], Path(folder), sandbox=self.sandbox)
        count = 0
        for cell in nb.cells:
            if cell.cell_type == "code":
                count += 1
                cell.execution_count = count
                cell.outputs = [nbformat.from_dict(output) for output in shown.get(cell.id, [])]
        return nb, resources


@cache
def _missing() -> str:
    return works()


def _prefix_length(nb: NotebookNode, cells: list[Cell]) -> int:
    """Return how many code cells at the start are the instructor's and no check: all submissions share them.

    A learner's own cell among them ends the common beginning.
    """
    code = [cell for cell in nb.cells if cell.cell_type == "code"]
    own = [
        not cell.metadata.get("nbgrader", {}).get("locked") or checked.check
        for cell, checked in zip(code, cells, strict=True)
    ]
    return own.index(True) if True in own else len(own)


def _servers(prefix: list[Cell]) -> Servers:
    """Return the servers that are warm to this beginning; one pair is kept, for a batch is of one month."""
    key = tuple(cell.trusted for cell in prefix)
    if key not in _warm or not _warm[key].alive:
        for servers in _warm.values():
            servers.close()
        _warm.clear()
        _warm[key] = Servers(prefix)
    return _warm[key]
