"""Runs notebook cells as a kernel would, without a kernel: one IPython shell in this process.

A kernel costs seconds, its messages milliseconds a cell. Here a cell runs by a plain call, so that a
process which has run a month's context can fork for each answer to it.
"""

import sys
from typing import Any, TextIO

from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from nbformat import NotebookNode
from nbformat.v4 import new_output

from aisecops.grading.display import MOST_LINES, MOST_TEXT, cut


class _Stream:
    """A file that turns what is printed into stream outputs."""

    encoding = "utf-8"
    errors = "strict"

    def __init__(self, shell: "Shell", name: str) -> None:
        self.shell, self.name = shell, name
        self.room, self.lines = MOST_TEXT, MOST_LINES
        self.full = False

    def write(self, text: str) -> int:
        if self.full:
            return len(text)
        shown = cut(text, self.room, self.lines)
        self.room -= len(text)
        self.lines -= text.count("\n")
        self.full = self.room < 0 or self.lines < 0
        outputs = self.shell.outputs
        if outputs and outputs[-1].output_type == "stream" and outputs[-1].name == self.name:
            outputs[-1].text += shown
        else:
            outputs.append(new_output("stream", name=self.name, text=shown))
        return len(text)

    def writelines(self, lines: list[str]) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """There is nothing to flush; libraries call it."""

    def isatty(self) -> bool:
        return False


class _Hook(DisplayHook):  # type: ignore[misc]
    """Keeps the value of a cell's last line as its execute_result."""

    def write_output_prompt(self) -> None:
        pass

    def write_format_data(self, format_dict: dict[str, Any], md_dict: dict[str, Any] | None = None) -> None:
        result = new_output("execute_result", data=format_dict, metadata=md_dict or {})
        result.execution_count = self.prompt_count
        self.shell.outputs.append(result)

    def finish_displayhook(self) -> None:
        pass


class _Publisher(DisplayPublisher):  # type: ignore[misc]
    """Keeps what a cell displays."""

    def publish(self, data: dict[str, Any], metadata: dict[str, Any] | None = None, **_: Any) -> None:
        self.shell.outputs.append(new_output("display_data", data=data, metadata=metadata or {}))


class Shell(InteractiveShell):  # type: ignore[misc]
    """IPython with neither screen nor history file. Make one with ``Shell.instance()``.

    A learner's code can do to it what it can do to a kernel: replace its methods, register input and
    AST transformers, read ``In`` and ``Out``.
    """

    outputs: list[NotebookNode]

    def __init__(self, **settings: Any) -> None:
        self.outputs = []
        super().__init__(**settings)
        self.display_pub = _Publisher(parent=self, shell=self)
        self.displayhook = _Hook(parent=self, shell=self)
        self.display_trap.hook = self.displayhook

    def init_history(self) -> None:
        """Keep inputs in memory only: no file, no thread."""
        from IPython.core.history import HistoryManager

        self.history_manager = HistoryManager(shell=self, enabled=False, parent=self)

    def run(self, source: str) -> list[NotebookNode]:
        """Run one cell and return its outputs as nbformat holds them; errors come without a traceback.

        As nbclient does, an error that IPython reports counts even if its display was suppressed.
        """
        outputs: list[NotebookNode] = []
        self.outputs = outputs
        before = sys.stdout, sys.stderr
        streams: tuple[Any, Any] = (_Stream(self, "stdout"), _Stream(self, "stderr"))
        sys.stdout, sys.stderr = streams
        try:
            result = self.run_cell(source, store_history=True)
        finally:
            self._restore(*before)
        error = getattr(result, "error_before_exec", None) or getattr(result, "error_in_exec", None)
        if error is not None and not any(output.output_type == "error" for output in outputs):
            outputs.append(_error(type(error), error))
        return outputs

    def showtraceback(self, exc_tuple: Any = None, *_: Any, **__: Any) -> None:
        """Keep an error's type and message. Formatting a traceback would cost most of the time."""
        kind, value = (exc_tuple or sys.exc_info())[:2]
        if kind is not None and value is not None:
            self.outputs.append(_error(kind, value))

    def showsyntaxerror(self, *_: Any, **__: Any) -> None:
        """Keep a syntax error as any other."""
        self.showtraceback()

    def _format_exception_for_storage(self, exception: BaseException, *_: Any, **__: Any) -> NotebookNode:
        """Give the history the short form, too."""
        return _error(type(exception), exception)

    @staticmethod
    def _restore(out: TextIO, err: TextIO) -> None:
        sys.stdout, sys.stderr = out, err


def _error(kind: type[BaseException], value: BaseException) -> NotebookNode:
    text = str(value)
    return new_output("error", ename=kind.__name__, evalue=text, traceback=[f"{kind.__name__}: {text}"])
