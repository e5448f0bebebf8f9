"""What in a learner's notebook an instructor should look at; no points depend on it."""

import re

from nbformat import NotebookNode

from aisecops.grading.plan import is_locked

_SIGNS = {
    r"input_transformers?\b|ast_transformers\b|ast_node_interactivity": "changes how cells are read",
    r"\brun_cell(_async)?\b|set_custom_exc|showtraceback": "changes how cells are run",
    r"_getframe|inspect\.(stack|currentframe|getouterframes)|f_back|settrace|setprofile": (
        "looks at the code that calls it"
    ),
    r"gc\.get_(objects|referrers)": "looks through the memory",
    r"def __eq__\(.*\):\s*return True|__eq__ = lambda [^:]*: True": "makes an object that equals everything",
    r"/proc/|ptrace|ctypes|os\.(fork|kill|_exit|setuid)|\bsetns\b|unshare": "reaches for the system",
    r"gradebook|BEGIN HIDDEN|submitted/|autograded/": "names the grader's files",
    r"builtins\.\w+\s*=|__builtins__|sys\.modules\[": "changes the language or a library",
}


def suspicions(notebook: NotebookNode, source: NotebookNode) -> list[str]:
    """Return a sentence for each sign of an attack on the grading.

    What the month's own source does too, as its lessons may ask for, is no sign.

    Args:
        notebook: the graded submission.
        source: the month as the instructor has it.
    """
    usual = "\n".join(cell.source for cell in source.cells)
    signs = {sign: says for sign, says in _SIGNS.items() if not re.search(sign, usual)}
    found = []
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        if any(
            output.output_type == "error" and output.ename in ("Stopped", "GoneError")
            for output in cell.outputs
        ):
            found.append(f"{cell.id}: the learner's process was gone or stopped here")
            break
    for cell in notebook.cells:
        if cell.cell_type == "code" and not is_locked(cell):
            for sign, says in signs.items():
                if match := re.search(sign, cell.source):
                    line = cell.source.count("\n", 0, match.start()) + 1
                    found.append(f"{cell.id}, line {line}: {says} ({match[0].split(chr(10))[0][:40]})")
    return found
