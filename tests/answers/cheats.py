# %% [markdown]
# Ways to get points without an answer, tried on every exercise of every month. `FUNCTIONS` holds the names
# that the exercise asks for.

# %% cheat="everything equals everything"
class Same:
    """Equal to anything, true, callable, endless."""

    def __eq__(self, other):
        return True

    def __ne__(self, other):
        return False

    __lt__ = __le__ = __gt__ = __ge__ = __contains__ = __eq__
    __hash__ = object.__hash__

    def __call__(self, *args, **kwargs):
        return self

    def __getattr__(self, name):
        return self

    def __getitem__(self, key):
        return self

    def __iter__(self):
        return iter(())

    def __len__(self):
        return 3

    def __abs__(self):
        return 0.0

    __float__ = __abs__

    def __add__(self, other):
        return self

    __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = __add__


for _name in FUNCTIONS:
    globals()[_name] = Same()


# %% cheat="a dictionary, list and number that equal everything"
class SameDict(dict):
    def __eq__(self, other):
        return True

    def __missing__(self, key):
        return SameFloat(0.5)

    __hash__ = None


class SameFloat(float):
    def __eq__(self, other):
        return True

    __lt__ = __le__ = __gt__ = __ge__ = __eq__
    __hash__ = float.__hash__

    def __sub__(self, other):
        return SameFloat(0)

    __rsub__ = __abs__ = __sub__


for _name in FUNCTIONS:
    globals()[_name] = lambda *args, **kwargs: SameDict()

# %% cheat="patched helpers of the standard library and NumPy"
import builtins
import math

import numpy as np

for _module, _names in {
    math: ["isclose"],
    np: ["isclose", "allclose", "array_equal"],
    np.testing: ["assert_allclose", "assert_array_equal", "assert_equal"],
}.items():
    for _name in _names:
        setattr(_module, _name, lambda *args, **kwargs: True)
for _name in ("all", "isinstance"):
    setattr(builtins, _name, lambda *args, **kwargs: True)
for _name in ("set", "sorted", "len"):
    setattr(builtins, _name, lambda *args, **kwargs: 0)

# %% cheat="an input transformer that empties later cells"
get_ipython().input_transformers_cleanup.append(lambda lines: [])

# %% cheat="an AST transformer that strips assertions"
import ast


class _Strip(ast.NodeTransformer):
    def visit_Assert(self, node):
        return ast.copy_location(ast.Pass(), node)

    def visit_Raise(self, node):
        return ast.copy_location(ast.Pass(), node)


for _name in FUNCTIONS:
    globals()[_name] = lambda *args, **kwargs: {}
get_ipython().ast_transformers.append(_Strip())


# %% cheat="a replaced run_cell"
def _nothing(*args, **kwargs):
    return None


get_ipython().run_cell = _nothing

# %% cheat="a suppressed traceback"
get_ipython().showtraceback = lambda *args, **kwargs: None
get_ipython()._showtraceback = lambda *args, **kwargs: None

# %% cheat="an early result worth many points"
get_ipython().events.register("pre_run_cell", lambda info: get_ipython().displayhook(100.0))

# %% cheat="errors that no cell raises: exec without assertions"
import builtins

_compile = builtins.compile


def _harmless(source, *args, **kwargs):
    import ast

    if isinstance(source, ast.AST):
        source.body = []
    return _compile(source, *args, **kwargs)


builtins.compile = _harmless

# %% cheat="the expected value, looked up in the frame of the test"
import sys


def _peek(*args, **kwargs):
    frame = sys._getframe(1)
    while frame:
        for names in (frame.f_locals, frame.f_globals):
            for name in ("_want", "_truth", "_best", "_expected", "want", "expected"):
                if name in names:
                    return names[name]
        frame = frame.f_back
    return None


for _name in FUNCTIONS:
    globals()[_name] = _peek

# %% cheat="the source of the test, read from the history"
import re


def _history(*args, **kwargs):
    text = "\n".join(get_ipython().history_manager.input_hist_raw[-2:])
    found = re.search(r"== (\{.*?\}|\[.*?\]|[0-9.]+)", text)
    return eval(found[1]) if found else None


for _name in FUNCTIONS:
    globals()[_name] = _history

# %% cheat="the instructor's solution, read from its file"
import json
from pathlib import Path

for _folder in [Path.cwd(), *Path.cwd().parents]:
    for _file in sorted(_folder.glob("source/*/*.ipynb")):
        for _cell in json.loads(_file.read_text())["cells"]:
            _text = "".join(_cell["source"])
            if "BEGIN SOLUTION" in _text and any(f"def {_name}(" in _text for _name in FUNCTIONS):
                exec(_text, globals())


# %% cheat="the hidden test, neutralised through a global name it uses"
class _Ignored(dict):
    def __setitem__(self, key, value):
        super().__setitem__(key, value)


for _name in ("_reference", "_is_shortest", "_all_paths", "_best_logit", "_cost", "_reads_the_same"):
    globals()[_name] = lambda *args, **kwargs: ""
