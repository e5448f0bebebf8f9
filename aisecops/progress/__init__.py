"""Attempts → store → summary → views.

``PhaseProgress`` is the chart for a notebook; ``progress.figure.figure()`` draws it for paper, and
``progress.terminal.chart()`` for a terminal.

Loaded as an IPython extension by every kernel of the environment, so it imports nothing heavy.
"""

from typing import Any


def load_ipython_extension(shell: Any) -> None:
    """Record an attempt whenever a learner runs a visible check."""
    from aisecops.progress.hook import on_cell_run

    shell.events.register("post_run_cell", on_cell_run)


def unload_ipython_extension(shell: Any) -> None:
    """Stop recording in this kernel."""
    from aisecops.progress.hook import on_cell_run

    shell.events.unregister("post_run_cell", on_cell_run)


def __getattr__(name: str) -> Any:
    if name == "PhaseProgress":
        from aisecops.progress.widget import PhaseProgress

        return PhaseProgress
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
