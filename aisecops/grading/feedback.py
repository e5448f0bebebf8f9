"""What a learner may see of a graded notebook: their work, the points, and why points are missing.

Stock feedback shows hidden checks whole, and again in the traceback of one that fails (nbgrader#917).
Whoever has read them once can answer them by heart, and so can all their friends.
"""

import re
from typing import Any

from nbformat import NotebookNode
from nbgrader.preprocessors import NbGraderPreprocessor
from nbgrader.utils import is_grade, is_locked

_HIDDEN = re.compile(r"^[^\n]*BEGIN HIDDEN TESTS.*?(END HIDDEN TESTS[^\n]*|\Z)", re.DOTALL | re.MULTILINE)
_PLACE = "# (further checks, which are not shown, ran here)"


class HideTests(NbGraderPreprocessor):  # type: ignore[misc]
    """Cuts hidden checks out of feedback, and tracebacks of checks down to what they say."""

    def preprocess_cell(
        self, cell: NotebookNode, resources: dict[str, Any], cell_index: int
    ) -> tuple[NotebookNode, dict[str, Any]]:
        """Clean one cell; only cells that nbgrader restored from the source hold hidden checks."""
        if cell.cell_type == "code" and (is_grade(cell) or is_locked(cell)):
            cell.source = _HIDDEN.sub(_PLACE, cell.source)
            for output in cell.outputs:
                if output.output_type == "error":
                    output.traceback = [f"{output.ename}: {output.evalue}"]
        return cell, resources
