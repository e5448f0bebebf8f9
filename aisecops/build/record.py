"""Executes a source notebook and keeps what it shows, so that a reader and nbval see real output."""

import copy
import os
import tempfile
from pathlib import Path

from nbformat import NotebookNode

from aisecops.course import CourseError

TIMEOUT_S = 120
_WIDGET = "application/vnd.jupyter.widget-view+json"


def record(notebook: NotebookNode, name: str) -> None:
    """Execute ``notebook`` in place, in an empty folder and with an empty desk, and keep its outputs.

    Raises:
        CourseError: a cell raised, wrote to stderr, or ran longer than ``TIMEOUT_S`` seconds.
    """
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError

    metadata = copy.deepcopy(notebook.metadata)  # the client adds this machine's kernel to it
    with tempfile.TemporaryDirectory() as folder:
        desk = Path(folder, "desk")
        environment = {**os.environ, "AISECOPS_DESK": str(desk)}
        client = NotebookClient(
            notebook, timeout=TIMEOUT_S, kernel_name="python3", record_timing=False,
            store_widget_state=False, resources={"metadata": {"path": folder}},
        )  # fmt: skip
        try:
            client.execute(env=environment)
        except CellExecutionError as error:
            raise CourseError(
                f"the solution of {name} fails when it runs: {error.ename}: {error.evalue}"
            ) from None
        except CellTimeoutError:
            raise CourseError(f"a cell of {name} runs longer than {TIMEOUT_S} s: make it faster") from None
    notebook.metadata = metadata
    for cell in notebook.cells:
        if cell.cell_type == "code":
            _tidy(cell, name)


def carry_over(old: NotebookNode, new: NotebookNode) -> bool:
    """Copy recorded outputs from ``old`` to ``new`` if both run the same code; tell whether they do."""
    before = [cell for cell in old.cells if cell.cell_type == "code"]
    after = [cell for cell in new.cells if cell.cell_type == "code"]
    if [cell.source for cell in before] != [cell.source for cell in after]:
        return False
    for source, target in zip(before, after, strict=True):
        target.outputs, target.execution_count = source.outputs, source.execution_count
    return recorded(new)


def recorded(notebook: NotebookNode) -> bool:
    """Tell whether a source notebook's code cells have been executed."""
    return all(
        cell.execution_count for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()
    )


def _tidy(cell: NotebookNode, name: str) -> None:
    """Keep what is the same on every run, and refuse what costs a learner points."""
    cell.metadata.pop("execution", None)
    for output in cell.outputs:
        if output.output_type == "stream" and output.name == "stderr":
            first = output.text.strip().splitlines()[0]
            raise CourseError(
                f"cell {cell.id} of {name} writes to stderr ({first}): nbgrader gives such a cell no points"
            )
        if output.output_type in ("display_data", "execute_result"):
            output.data.pop(_WIDGET, None)
