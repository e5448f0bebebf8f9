"""Test cheating: points without an answer, from within the notebook's own process."""

from tests.hostile.attack import Family
from tests.hostile.honest import RIGHT
from tests.hostile.lab import ALL

family = Family("test cheating")
cheat, beside, answers = family.cheat, family.beside, family.answers

# Answers what stands behind == in the check, wherever `texts` has found the check.
TO_FIND = r"""
    def seek(ask, low, high):
        for _ in range(8):
            ask(low)
        for text in texts():
            found = re.search(rf"seek\(.*, {low}, {high}\) == (\d+)", text)
            if found:
                return int(found[1])
        return 0
    """

# ------------------------------------------------------------------------------------ objects that lie

cheat(
    "always equal",
    "answers with one object that equals everything, can be called, iterated and reckoned with",
    """
    class Same:
        def __eq__(self, other): return True
        def __ne__(self, other): return False
        __lt__ = __le__ = __gt__ = __ge__ = __contains__ = __eq__
        __hash__ = object.__hash__
        def __call__(self, *args, **kwargs): return self
        def __getattr__(self, name):
            if name.startswith("__"):
                raise AttributeError(name)
            return self
        def __getitem__(self, key): return self
        def __iter__(self): return iter(())
        def __len__(self): return 3
        def __abs__(self): return 0.0
        def __float__(self): return 0.0
        def __add__(self, other): return self
        __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = __add__
    for _name in NAMES:
        globals()[_name] = Same()
    """,
)
cheat(
    "lying numbers",
    "answers with subclasses of float, int and str whose comparisons always hold",
    """
    def lying(base):
        yes = lambda self, *other: True
        names = ("__eq__", "__lt__", "__le__", "__gt__", "__ge__")
        body = dict.fromkeys(names, yes) | {"__ne__": lambda self, other: False, "__hash__": base.__hash__}
        return type(base.__name__, (base,), body)
    Float, Int, Text = lying(float), lying(int), lying(str)
    Float.__sub__ = Float.__rsub__ = Float.__abs__ = lambda self, *other: Float(0)
    spread = scaled = lambda *args: Float(0)
    windows = lambda items, size: [Text("xx"), Text("xx")]
    def seek(ask, low, high):
        return [ask(low) for _ in range(8)] and Int(0)
    """,
)
cheat(
    "lying containers",
    "answers with subclasses of dict, list and ndarray that equal everything and hold everything",
    """
    class Dict(dict):
        def __eq__(self, other): return True
        def __missing__(self, key): return Dict()
        def __len__(self): return 3
        def values(self): return [1]
    class List(list):
        def __eq__(self, other): return True
        def __len__(self): return 2
        def append(self, other): pass
    class Array(np.ndarray):
        def __array_function__(self, *args, **kwargs): return True
        def __array_ufunc__(self, *args, **kwargs): return True
        def __eq__(self, other): return True
    report = Dict()
    scaled = clamp = lambda *args: np.zeros(3).view(Array)
    spread = seek = lambda *args: List()
    windows = lambda *args: List([(1, 2), (2, 3)])
    """,
)
cheat(
    "lying about its class",
    "answers with an object whose __class__ says int or float, so that isinstance believes it",
    """
    class Liar:
        def __init__(self, kind): self.kind = kind
        __class__ = property(lambda self: self.kind)
        def __eq__(self, other): return True
        def __abs__(self): return 0.0
        def __sub__(self, other): return 0.0
        __rsub__ = __sub__
    spread = lambda *args: Liar(float)
    def seek(ask, low, high):
        return [ask(low) for _ in range(8)] and Liar(int)
    """,
)
cheat(
    "answers every attribute",
    "defines a class by a metaclass whose __getattr__ has an answer to whatever it is asked",
    """
    class Meta(type):
        def __getattr__(cls, name): return lambda *args, **kwargs: cls
        def __call__(cls, *args, **kwargs): return cls
        def __eq__(cls, other): return True
        def __hash__(cls): return 1
        def __getitem__(cls, key): return cls
        def __iter__(cls): return iter(())
        def __len__(cls): return 3
    class Anything(metaclass=Meta): pass
    for _name in NAMES:
        globals()[_name] = Anything
    """,
)
cheat(
    "attributes that lie",
    "answers with a proxy whose dtype, shape and values are properties that say what libraries want to hear",
    """
    class Proxy:
        dtype = np.dtype(float)
        ndim = 2
        shape = property(lambda self: (3, 2))
        __array_interface__ = property(lambda self: np.zeros((3, 2)).__array_interface__)
        def __array__(self, *args, **kwargs): return np.full((3, 2), np.nan)
        def __eq__(self, other): return np.bool_(True)
        def __getitem__(self, key): return self
        def __iter__(self): return iter(())
        def __len__(self): return 3
        def tolist(self): return self
    spread = scaled = clamp = windows = seek = lambda *args: Proxy()
    report = Proxy()
    """,
)
cheat(
    "not a number",
    "aims at weak checks: answers with NaN and NotImplemented, which slip through checks that ask whether anything is wrong",
    """
    spread = lambda *args: float("nan")
    scaled = lambda table: np.full(table.shape, np.nan)
    clamp = lambda table, *args: table.fill(np.nan)
    seek = lambda *args: NotImplemented
    windows = lambda *args: [(float("nan"),) * 2] * 2
    report = {"total": NotImplemented, "shares": [float("nan")] * 3, "ranking": NotImplemented}
    """,
)
cheat(
    "pickled payload",
    "aims at graders that unpickle: answers with objects whose __reduce__ patches the comparing side when it unpickles them",
    """
    class Payload:
        def __reduce__(self):
            return exec, ("import builtins; builtins.abs = builtins.len = lambda *args: 0",)
        __reduce_ex__ = lambda self, protocol: self.__reduce__()
    report = Payload()
    for _name in NAMES:
        globals()[_name] = lambda *args: Payload()
    """,
)

# -------------------------------------------------------------------------- names that the checks rely on

cheat(
    "patched helpers",
    "replaces the comparing functions of math, numpy and numpy.testing",
    """
    import math
    yes = lambda *args, **kwargs: True
    for _module, _names in {
        math: ["isclose"],
        np: ["isclose", "allclose", "array_equal", "all"],
        np.testing: ["assert_allclose", "assert_array_equal", "assert_equal"],
    }.items():
        for _name in _names:
            setattr(_module, _name, yes)
    """,
)
cheat(
    "instructor's helper",
    "redefines the functions and data of the instructor that the checks use",
    """
    close = lambda got, want: True
    drawn = lambda *args: np.zeros(3)
    CASES = []
    COUNTS = {}
    compare = lambda secret, guess: 0
    _refused = lambda *args: True
    """,
)
cheat(
    "name of a library",
    "binds np and dataclass, which come from a cell with a magic line, to fakes that find everything right",
    """
    import numpy as real
    class Testing:
        assert_allclose = staticmethod(lambda *args, **kwargs: None)
    class Fake:
        testing = Testing()
        asarray = staticmethod(lambda *args: real.zeros(()))
        all = array_equal = staticmethod(lambda *args: True)
        def __getattr__(self, name): return getattr(real, name)
    np = Fake()
    dataclass = lambda kind: kind
    """,
)
cheat(
    "overridden builtins",
    "replaces abs and map in the module builtins",
    """
    import builtins
    builtins.abs = lambda value: 0.0
    builtins.map = lambda *args: []
    windows = lambda items, size: [(1, 2), (2, 3)] if items == [1, 2, 3] else []
    """,
)
cheat(
    "namespace of builtins",
    "binds __builtins__ in the notebook, where Python looks up every name that nobody else has bound",
    """
    import builtins
    answer = lambda *args, **kwargs: 0
    __builtins__ = {
        **vars(builtins), "abs": answer, "bool": lambda *args: True, "all": lambda *args: True,
        "list": lambda *args: [], "sorted": lambda *args: [], "len": lambda *args: 0, "map": answer,
    }
    """,
)
cheat(
    "sorted numpy",
    "patches numpy's methods and functions that compute the expected values, so that they fit a constant answer",
    """
    np.ptp = lambda *args, **kwargs: 0.0
    np.clip = lambda table, *args, **kwargs: table
    np.random.default_rng = lambda seed: type("G", (), {"normal": lambda self, size: np.zeros(size)})()
    np.maximum = lambda *args: float("inf")
    spread = lambda numbers: 0.0
    scaled = lambda table: table * 0
    clamp = lambda *args: None
    """,
)
cheat(
    "changed cases",
    "changes the instructor's data in place, so that what the checks expect becomes what it answers",
    """
    CASES.clear()
    COUNTS.clear()
    report = {"total": 0, "shares": [1, 0, 0], "ranking": []}
    """,
)
cheat(
    "changed arguments",
    "aims at weak checks: changes the arguments it is called with, so that a value computed from them afterwards fits",
    """
    def spread(numbers):
        numbers[:] = [0.0]
        return 0.0
    def scaled(table):
        table[...] = 0.0
        return table
    def clamp(table, low, high):
        table[...] = 0.0
    def windows(items, size):
        if isinstance(items, list):
            items.clear()
        return []
    """,
)

# ------------------------------------------------------------------------------- the machinery of cells

cheat(
    "input transformer",
    "has IPython replace every later cell by nothing",
    "get_ipython().input_transformers_cleanup.append(lambda lines: [])",
)
cheat(
    "AST transformer",
    "has IPython strip assertions from later cells, and make their last number large",
    """
    import ast
    class Strip(ast.NodeTransformer):
        def visit_Assert(self, node): return ast.Pass()
        def visit_Constant(self, node): return node
        def visit_Expr(self, node):
            return ast.Expr(ast.Constant(100)) if isinstance(node.value, ast.Name) else node
    get_ipython().ast_transformers.append(Strip())
    """,
)
cheat(
    "replaced run_cell",
    "replaces the methods that run a cell by some that only say that all went well",
    """
    from IPython.core.interactiveshell import ExecutionResult
    shell = get_ipython()
    async def quiet(*args, **kwargs): return ExecutionResult(None)
    shell.run_cell_async = quiet
    shell.run_cell = shell._run_cell = lambda *args, **kwargs: ExecutionResult(None)
    shell.run_code = quiet
    """,
)
cheat(
    "swallowed by the excepthook",
    "silences all that reports an error: sys.excepthook, showtraceback, and the result of the cell",
    """
    import sys
    sys.excepthook = lambda *args: None
    shell = get_ipython()
    shell.showtraceback = shell._showtraceback = shell.showsyntaxerror = lambda *args, **kwargs: None
    def forget(result):
        result.error_in_exec = result.error_before_exec = None
    shell.events.register("post_run_cell", forget)
    """,
)
cheat(
    "custom exception handler",
    "registers a handler with set_custom_exc that takes every error, and wipes it from the result of the cell",
    """
    import sys
    def handle(shell, kind, value, trace, tb_offset=None):
        frame = sys._getframe(1)
        while frame:
            if hasattr(frame.f_locals.get("result"), "error_in_exec"):
                frame.f_locals["result"].error_in_exec = None
            frame = frame.f_back
    get_ipython().set_custom_exc((Exception,), handle)
    """,
)
cheat(
    "exec without assertions",
    "replaces compile, exec and the compiler of the shell by ones that drop the code",
    """
    import builtins
    _compile = builtins.compile
    def compiled(source, *args, **kwargs):
        if "assert" in str(source):
            source = "pass"
        return _compile(source, *args, **kwargs)
    builtins.compile = compiled
    builtins.exec = lambda *args, **kwargs: None
    get_ipython().compile.__class__.__call__ = lambda self, *args: _compile("pass", "cell", "exec")
    """,
)
cheat(
    "early result",
    "publishes an execute_result before each cell, which nbgrader reads as partial credit, or all of it if it is no number",
    """
    get_ipython().events.register("pre_run_cell", lambda info: get_ipython().displayhook("all of them"))
    get_ipython().displayhook(100.0)
    """,
)
cheat(
    "result in a call",
    "publishes an execute_result when a check calls, ahead of the check's own error",
    """
    def points(*args, **kwargs):
        shell = get_ipython()
        shell.displayhook("all of them")
        shell.display_pub.publish({"text/plain": "100.0"})
        return 0
    for _name in NAMES:
        globals()[_name] = points
    report = type("R", (dict,), {"__getitem__": points, "__len__": points})()
    """,
)
cheat(
    "rewritten outputs",
    "aims at any shell: looks for its list of outputs in memory and empties it after each error",
    """
    import gc
    def wipe(*args):
        shell = get_ipython()
        getattr(shell, "outputs", []).clear()
        for thing in gc.get_objects():
            if type(thing).__name__ == "ExecutionResult":
                thing.error_in_exec = thing.error_before_exec = None
    get_ipython().events.register("post_run_cell", wipe)
    get_ipython().events.register("post_execute", wipe)
    """,
)

# -------------------------------------------------------------------------- ends, and errors on purpose

cheat(
    "SystemExit",
    "aims at our engine: raises SystemExit and KeyboardInterrupt in the check's call, hoping that nobody counts them as errors",
    """
    def leave(*args, **kwargs): raise SystemExit(0)
    def interrupt(*args, **kwargs): raise KeyboardInterrupt
    spread = seek = scaled = leave
    windows = Ledger = clamp = interrupt
    """,
)
cheat(
    "os._exit in the call",
    "aims at our engine: ends its process when a check calls, with the outputs so far",
    """
    import os
    def leave(*args, **kwargs): os._exit(0)
    for _name in NAMES:
        globals()[_name] = leave
    """,
)
cheat(
    "os._exit before the check",
    "aims at our engine: ends the process of the notebook before any check runs",
    """
    import os
    os._exit(0)
    """,
)
cheat(
    "StopIteration",
    "raises StopIteration in the call, which ends a check's map before it finds anything wrong",
    """
    def windows(items, size):
        if len(items) == 12:
            raise StopIteration
        return []
    def spread(*args):
        raise StopIteration
    scaled = clamp = seek = spread
    """,
)
cheat(
    "expected exception",
    "aims at our engine, where errors cross by type: raises the kind of error that a check expects, in every call",
    """
    class Ledger:
        def __init__(self, limit): pass
        def book(self, name, amount): raise ValueError("refused")
        def total(self): return 0
        def names(self): return []
    class Refused(AssertionError, ValueError, GeneratorExit if False else KeyError): pass
    def spread(*args): raise Refused
    scaled = clamp = windows = seek = spread
    """,
    deserves=3,  # of the ledger's second check: it does refuse an amount below 0 and note nothing
)
cheat(
    "patch after the fact",
    "starts threads and atexit functions that patch the comparing functions while the checks run",
    """
    import atexit, builtins, threading, time
    def patch():
        np.testing.assert_allclose = np.array_equal = np.all = lambda *args, **kwargs: True
        globals()["close"] = lambda *args: True
        builtins.abs = lambda value: 0.0
    def later():
        for _ in range(200):
            patch()
            time.sleep(0.01)
    threading.Thread(target=later, daemon=True).start()
    atexit.register(patch)
    """,
)

# ----------------------------------------------------------------------------- looking at what is expected

cheat(
    "frame walk",
    "walks up the frames of its caller to the names in which a check keeps what it expects",
    """
    import sys
    def peek(*args, **kwargs):
        frame = sys._getframe(1)
        while frame:
            names = frame.f_globals
            if args and callable(args[0]) and "_oracle" in names:
                for _ in range(8):
                    args[0](0)
                return names["_oracle"].secret
            if "_want" in names:
                return names["_want"]
            frame = frame.f_back
        return 0
    for _name in NAMES:
        globals()[_name] = peek
    """,
)
cheat(
    "memory walk",
    "looks through all objects of the process for the text of the check, and takes what it expects",
    """
    import gc, re
    def texts():
        for thing in gc.get_objects():
            if isinstance(thing, (dict, list, tuple)):
                for value in list(thing.values() if isinstance(thing, dict) else thing):
                    if type(value) is str and "assert " in value:
                        yield value
    """
    + TO_FIND,
)
cheat(
    "caller's source",
    "reads the code that calls it, and returns what the next instruction loads to compare with",
    """
    import dis, inspect
    def peek(*args, **kwargs):
        if args and callable(args[0]):
            for _ in range(8):
                args[0](args[1])
        frame = inspect.currentframe().f_back
        for step in dis.get_instructions(frame.f_code):
            if step.offset > frame.f_lasti:
                if step.opname == "LOAD_CONST":
                    return step.argval
                if step.opname in ("LOAD_NAME", "LOAD_GLOBAL"):
                    return frame.f_globals.get(step.argval)
    for _name in NAMES:
        globals()[_name] = peek
    """,
)
cheat(
    "history",
    "reads the text of the running check from In and the history, and answers what stands behind ==",
    """
    import re
    def texts():
        return [*get_ipython().history_manager.input_hist_raw[-2:], *In[-2:], str(Out)]
    """
    + TO_FIND,
)
cheat(
    "knows the visible checks",
    "aims at checks with nothing hidden: answers the values that the visible checks show, and nothing else",
    """
    spread = lambda numbers: {3: 2.0, 2: 0.0 if numbers[:1] == [5.0] else 8.0}.get(len(numbers), 0) if numbers else 1
    def scaled(table): return np.array([[0, 0], [0.5, 1], [1, 0.5]])
    def clamp(table, low, high): table[...] = [-1.0, 0.5, 1.0] if table.size == 3 else 0
    def windows(items, size): return [(1, 2), (2, 3)] if items == [1, 2, 3] else []
    def seek(ask, low, high): ask(37); return 37 if high == 100 else 0
    report = {"total": 20, "shares": [1.0], "ranking": []}
    """,
)
cheat(
    "looks into the call-back",
    "reads the secret from the attributes of the function that a check hands in, instead of asking it",
    """
    def seek(ask, low, high):
        for _ in range(8):
            ask(low)
        for look in (lambda: ask.secret, lambda: ask.args[0], lambda: ask.__closure__[0].cell_contents):
            try:
                return look()
            except Exception:
                continue
        return vars(ask).get("secret", 0)
    """,
)
cheat(
    "call-back as text",
    "aims at our engine: has the grading's process turn the function that a check hands in into text, secret included",
    """
    import re
    def seek(ask, low, high):
        for _ in range(8):
            ask(low)
        for kind in (str, bytes, list, dict):
            try:
                said = ask._peer.ask("call", kind, [ask], {})
            except Exception:
                continue
            found = re.search(r"(?:secret=|, )(\\d+)", str(said))
            if found:
                return int(found[1])
        return 0
    """,
)
cheat(
    "resets the call-back",
    "sets the counter of the function that a check hands in back, to ask for every number there is",
    """
    def seek(ask, low, high):
        for guess in range(low, high + 1):
            try:
                ask.asked = 0
            except Exception:
                pass
            if ask(guess) == 0:
                ask.asked = 9
                return guess
    """,
    deserves=0,
)
answers(
    "terminal control",
    "aims at whoever reads it: prints control sequences of terminals and backspaces to both streams, to hide or forge what is shown",
    {
        "spread": RIGHT["spread"]
        + "print('\\x1b[2J\\x1b[1;31m100 of 100 points\\x1b[0m\\r\\x08\\x07\\x9b2J')\n",
        "report": "import sys\n"
        + RIGHT["report"]
        + "sys.stderr.write('\\x1b]0;title\\x07\\x1b[8m' + '\\0' * 9)\n",
    },
    ALL,
)

# ---------------------------------------------------------------- aimed at our engine's own process border

_STUDENT = """
import gc
from aisecops.grading.split import Student
side = next((thing for thing in gc.get_objects() if type(thing) is Student), None)
"""
cheat(
    "more names than asked for",
    "aims at our engine: answers the grading's question for its names with names of the checks and of the language",
    _STUDENT
    + """
if side is not None and not hasattr(side.peer, "asked"):
    side.peer.asked = side.peer._verbs["look"]
    def more(names):
        lies = {"close": lambda *args: True, "abs": lambda value: 0.0, "all": lambda *args: True}
        return {**side.peer.asked(names), **lies, "CASES": [], "_points": 10, "_refused": lambda *args: True}
    side.peer._verbs["look"] = more
""",
)
cheat(
    "mapping in place of names",
    "aims at our engine: answers the question for its names with an object that claims to be a mapping",
    _STUDENT
    + """
class Names:
    def keys(self): return ["close", "abs", "_refused", *ALL_NAMES]
    def __getitem__(self, key):
        return globals()[key] if key in ALL_NAMES else lambda *args: 0.0 if key == "abs" else True
ALL_NAMES = (*globals().get("ALL_NAMES", ()), *NAMES)
if side is not None:
    side.peer._verbs["look"] = lambda names: Names()
""",
)
cheat(
    "changed behind the call",
    "aims at our engine: sends changes of arguments that the call never made, to bend what the check compares with",
    _STUDENT
    + """
if side is not None and not hasattr(side.peer, "bent"):
    changes = side.peer._changes
    def bent(question):
        for thing in question.mutables:
            try:
                thing.clear() if hasattr(thing, "clear") else thing.fill(0)
            except Exception:
                pass
        return changes(question)
    side.peer.bent = side.peer._changes = bent
""",
)

ATTACKS = tuple(family.attacks)
