"""Values cross between the trusted process and the student's, and hostile bytes do nothing but fail."""

import collections
import datetime
import decimal
import fractions
import math
import pathlib
import random
import struct
import subprocess
import sys
import zoneinfo
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import sparse

from aisecops.grading import codec as codec_module
from aisecops.grading.codec import Codec, CodecError, Handle, Limits, describe

DEFAULTS = Limits()


class StandIn:
    """What one side holds for an object of the other."""

    def __init__(self, handle: Handle) -> None:
        self.handle = handle


class Side:
    """One process: its objects by number, its stand-ins, its codec."""

    def __init__(self, owner: str, limits: Limits = DEFAULTS) -> None:
        self.owner = owner
        self.objects: list[Any] = []
        self.stand_ins: dict[int, StandIn] = {}
        self.codec = Codec(self.export, self.resolve, limits)

    def export(self, value: Any) -> Handle:
        if type(value) is StandIn:
            return value.handle
        for number, known in enumerate(self.objects):
            if known is value:
                return Handle(number, self.owner, describe(value))
        self.objects.append(value)
        return Handle(len(self.objects) - 1, self.owner, describe(value))

    def resolve(self, handle: Handle) -> Any:
        if handle.owner == self.owner:
            return self.objects[handle.id]
        return self.stand_ins.setdefault(handle.id, StandIn(handle))


@pytest.fixture
def trusted() -> Side:
    return Side("trusted")


@pytest.fixture
def student() -> Side:
    return Side("student")


def crossed(value: Any) -> Any:
    """What arrives on the other side, having gone over and not changed."""
    here, there = Side("trusted"), Side("student")
    sent = here.codec.dumps(value)
    received = there.codec.loads(sent.data)
    assert list(map(type, sent.mutables)) == list(map(type, received.mutables))
    assert there.codec.changes(received) == b"", "nothing was changed, so nothing goes back"
    return received.value


def same(a: Any, b: Any) -> bool:
    """Equal in every bit, of the same types, with the same sharing of mutable objects."""
    pairs: dict[int, int] = {}
    todo = [(a, b)]
    while todo:
        a, b = todo.pop()
        if type(a) is not type(b):
            return False
        if isinstance(a, list | dict | set | bytearray | collections.deque | np.ndarray):
            if id(a) in pairs:
                if pairs[id(a)] != id(b):
                    return False
                continue
            pairs[id(a)] = id(b)
        if isinstance(a, list | tuple | collections.deque):
            if len(a) != len(b) or getattr(a, "maxlen", 0) != getattr(b, "maxlen", 0):
                return False
            todo += zip(a, b, strict=True)
        elif isinstance(a, slice):
            todo += [(a.start, b.start), (a.stop, b.stop), (a.step, b.step)]
        elif isinstance(a, dict):
            if len(a) != len(b) or getattr(a, "default_factory", 0) != getattr(b, "default_factory", 0):
                return False
            todo += zip(a.items(), b.items(), strict=True)
        elif isinstance(a, float):
            if struct.pack("<d", a) != struct.pack("<d", b):
                return False
        elif isinstance(a, complex):
            todo += [(a.real, b.real), (a.imag, b.imag)]
        elif isinstance(a, np.ndarray):
            if (a.dtype, a.shape, a.flags.f_contiguous, a.flags.writeable) != (
                b.dtype, b.shape, b.flags.f_contiguous, b.flags.writeable,
            ):  # fmt: skip
                return False
            if a.dtype == object:
                todo += zip(a.ravel().tolist(), b.ravel().tolist(), strict=True)
            elif a.tobytes() != b.tobytes():
                return False
        elif isinstance(a, decimal.Decimal):
            if str(a) != str(b):
                return False
        elif a != b:
            return False
    return True


# ------------------------------------------------------------------------------------- values come back

BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")
KEYS = (
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.binary(max_size=5) | st.dates()
    | st.floats(allow_nan=False)
)  # fmt: skip
LEAVES = (
    KEYS
    | st.integers(-(1 << 900), 1 << 900)
    | st.floats()
    | st.complex_numbers()
    | st.text(st.characters(exclude_categories=()), max_size=5)
    | st.builds(bytearray, st.binary(max_size=5))
    | st.sampled_from([..., NotImplemented, int, dict, -0.0, struct.unpack("<d", b"\1\2\0\0\0\0\xf8\xff")[0]])
    | st.builds(range, st.integers(-9, 9), st.integers(-10_000, 9_000_000), st.integers(1))
    | st.datetimes(timezones=st.sampled_from([None, datetime.UTC, BERLIN, datetime.timezone(-datetime.timedelta(hours=3), "X")]))
    | st.times()
    | st.timedeltas()
    | st.decimals()
    | st.fractions()
    | st.sampled_from([pathlib.PosixPath("/a/b"), pathlib.PurePosixPath("c")])
    | hnp.arrays(
        hnp.scalar_dtypes() | st.lists(hnp.scalar_dtypes(), min_size=1, max_size=3).map(lambda kinds: np.dtype([(f"f{n}", kind) for n, kind in enumerate(kinds)])),
        hnp.array_shapes(min_dims=0, min_side=0, max_side=3),
    )
)  # fmt: skip
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(KEYS | st.tuples(KEYS, KEYS), inner, max_size=4)
        | st.dictionaries(KEYS, inner, max_size=3).map(collections.OrderedDict)
        | st.dictionaries(KEYS, inner, max_size=3).map(collections.Counter)
        | st.dictionaries(KEYS, inner, max_size=3).map(lambda items: collections.defaultdict(list, items))
        | st.sets(KEYS, max_size=4)
        | st.frozensets(KEYS | st.frozensets(KEYS, max_size=2), max_size=4)
        | st.builds(collections.deque, st.lists(inner, max_size=3), st.none() | st.integers(0, 9))
        | st.builds(slice, inner, inner)
        | inner.map(lambda item: [item, item, (item,)])
    ),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(VALUES)
def test_any_value_arrives_as_it_was(value: Any) -> None:
    assert same(value, crossed(value))


@pytest.mark.parametrize(
    "scalar",
    [
        np.float64("nan"), np.float32(1.5), np.int8(-3), np.uint64(2**64 - 1), np.bool_(True), np.complex64(1j),
        np.longdouble(2) / 3, np.str_("a\0"), np.bytes_(b"b\0"), np.datetime64("2026-11-24T10", "ms"),
        np.timedelta64(3, "D"), np.array([(1, "x")], dtype=[("a", "i4"), ("b", "U2")])[0],
    ],
)  # fmt: skip
def test_a_numpy_scalar_keeps_its_type_and_bytes(scalar: Any) -> None:
    back = crossed(scalar)
    assert type(back) is type(scalar)
    assert back.dtype == scalar.dtype
    assert back.tobytes() == scalar.tobytes()


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6).reshape(2, 3).T,
        np.arange(12)[::3],
        np.array(7.5),
        np.empty((0, 3), "U4"),
        np.arange(3, dtype=">i2"),
        np.zeros(2, [("a", "i4"), ("b", [("c", "?"), ("d", "f4", (2, 2))])]),
        np.zeros(2, np.dtype({"names": ["a"], "formats": ["u1"], "offsets": [3], "itemsize": 8})),
        np.array(["2026-11-24", "NaT"], "M8[D]"),
        np.broadcast_to(np.arange(3), (2, 3)),
    ],
    ids=str,
)
def test_an_array_keeps_shape_order_and_dtype(array: np.ndarray) -> None:
    back = crossed(array)
    assert back.dtype == array.dtype
    assert back.shape == array.shape
    assert back.tobytes() == array.tobytes()
    assert back.flags.writeable == array.flags.writeable
    assert back.flags.owndata
    if not array.flags.c_contiguous and array.flags.f_contiguous:
        assert back.flags.f_contiguous


def test_gaps_between_fields_show_no_old_memory() -> None:
    dtype = np.dtype({"names": ["a"], "formats": ["u1"], "offsets": [3], "itemsize": 8})
    array = np.frombuffer(b"secret!!" * 2, dtype)
    data = Side("trusted").codec.dumps([array, array[0]]).data
    assert b"sec" not in data
    assert b"!!" not in data
    assert (crossed(array) == array).all()


def test_an_object_array_crosses_item_by_item() -> None:
    inner = [1]
    array = np.array([[inner, "x"], [None, inner]], dtype=object).T
    back = crossed([array, inner])
    assert back[0].tolist() == array.tolist()
    assert back[0][0, 0] is back[0][1, 1] is back[1]


def test_dtypes_cross_unless_they_hold_objects(trusted: Side, student: Side) -> None:
    dtypes = [np.dtype("f4"), np.dtype("O"), np.dtype([("a", "M8[s]")]), np.dtype(("i2", (3,)))]
    assert crossed(dtypes) == dtypes
    held = [np.zeros(1, [("a", "O")]), np.array(["a"], np.dtypes.StringDType()), np.zeros(2, "V0"),
            np.zeros(1, np.dtype([(("title", "a"), "i4")]))]  # fmt: skip
    back = student.codec.loads(trusted.codec.dumps(held).data).value
    assert [type(item) for item in back] == [StandIn] * 4


def test_random_generators_go_on_where_they_were() -> None:
    generator, old = np.random.default_rng([1, 2]), random.Random(5)
    generator.integers(5, dtype=np.int32)
    generator.spawn(1)
    old.gauss(0, 1)
    generator_back, old_back = crossed((generator, old))
    assert generator.random(5).tolist() == generator_back.random(5).tolist()
    assert [child.random() for child in generator.spawn(2)] == [c.random() for c in generator_back.spawn(2)]
    assert [old.gauss(0, 1), old.random()] == [old_back.gauss(0, 1), old_back.random()]


def test_a_generator_of_another_algorithm_stays_behind_a_handle(trusted: Side, student: Side) -> None:
    sent = trusted.codec.dumps([np.random.Generator(np.random.MT19937(1))])
    [stand_in] = student.codec.loads(sent.data).value
    assert stand_in.handle.kind == "Generator"
    assert sent.mutables == [sent.value], "an object behind a handle is not copied, so it is not numbered"


def frame() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "whole": [1, 2],
            "text": ["é", None],
            "object": pd.Series([[1], {2: 3}], dtype=object),
            "kind": pd.Categorical(["u", None], categories=["v", "u"], ordered=True),
            "day": pd.date_range("2026-11-24", periods=2),
            "zone": pd.date_range("2026-03-28", periods=2, tz="Europe/Berlin"),
            "maybe": pd.array([None, 2**60 + 1], dtype="Int64"),
            "yes": pd.array([True, None], dtype="boolean"),
            "real": pd.array([0.5, None], dtype="Float32"),
            "wait": pd.to_timedelta([1, 2], unit="s"),
            "old": pd.array([pd.NA, "x"], dtype=pd.StringDtype("python", na_value=pd.NA)),
            7: np.array([1.5, np.nan], dtype="f4"),
        },
    )


@pytest.mark.parametrize(
    "value",
    [
        frame(),
        frame().set_index(["text", "whole"]),
        frame().set_index("zone"),
        frame().set_index("kind"),
        pd.concat([frame(), frame()]),
        pd.DataFrame([[1, "a"]], columns=["x", "x"], index=pd.Index(["r"], name="row")),
        pd.DataFrame({"a": ["x"]}, dtype=object),
        pd.DataFrame(),
        pd.DataFrame(index=[3, 4]),
        pd.DataFrame(1.0, index=pd.date_range("2026", periods=3, freq="2D"), columns=range(3)),
        pd.DataFrame([[1, 2]], columns=pd.MultiIndex.from_tuples([("a", 1), ("b", 2)], names=["n", None])),
    ],
    ids=lambda value: f"{value.shape}",
)
def test_a_frame_arrives_with_its_dtypes_and_labels(value: pd.DataFrame) -> None:
    back = crossed(value)
    pd.testing.assert_frame_equal(value, back, check_freq=True)
    assert back.columns.equals(value.columns)


def test_series_indexes_and_scalars_of_pandas_arrive() -> None:
    series = pd.Series([1, 2], index=pd.timedelta_range("1h", periods=2, freq="h"), name=("a", 1))
    pd.testing.assert_series_equal(series, crossed(series), check_freq=True)
    for index in (
        pd.RangeIndex(2, 9, 3, name="r"), pd.Index([1, "a", None], dtype=object), pd.Index([True, False]),
        pd.MultiIndex.from_arrays([["a", None], [1, 2]]), pd.date_range("2026", periods=3, tz="UTC"),
    ):  # fmt: skip
        pd.testing.assert_index_equal(index, crossed(index), exact=True)
    stamps = [
        pd.Timestamp("2026-10-25 01:30", tz="UTC").tz_convert("Europe/Berlin"),
        pd.Timestamp(1, unit="ns"),
    ]
    wait, missing = pd.Timedelta(3, "ns"), [pd.NaT, pd.NA]
    back = crossed([*stamps, wait, *missing])
    assert back[:3] == [*stamps, wait]
    assert [item.unit for item in back[:3]] == [item.unit for item in [*stamps, wait]]
    assert back[0].tz is BERLIN
    assert back[3] is pd.NaT
    assert back[4] is pd.NA


def test_a_frame_with_a_column_that_cannot_cross_stays_whole(trusted: Side, student: Side) -> None:
    value = frame().assign(period=pd.period_range("2026", periods=2))
    sent = trusted.codec.dumps({"before": [1], "frame": value, "after": [2]})
    received = student.codec.loads(sent.data)
    assert received.value["frame"].handle.kind == "DataFrame"
    assert received.value["after"] == [2]
    assert trusted.objects[0] is value
    assert [type(item) for item in sent.mutables] == [dict, list, list], "lists in the frame got no number"
    assert student.codec.changes(received) == b""


@pytest.mark.parametrize("kind", [sparse.csr_matrix, sparse.csc_matrix, sparse.csr_array, sparse.csc_array])
def test_a_sparse_matrix_keeps_its_type(kind: Any) -> None:
    value = kind(np.array([[0, 2.5, 0], [1, 0, 0]]))
    back = crossed(value)
    assert type(back) is kind
    assert (back.toarray() == value.toarray()).all()


def test_a_tensor_arrives_as_a_tensor_and_is_copied_back() -> None:
    torch = pytest.importorskip("torch")
    here, there = Side("trusted"), Side("student")
    tensor = torch.arange(6.0).reshape(2, 3).requires_grad_()
    sent = here.codec.dumps([tensor])
    received = there.codec.loads(sent.data)
    assert type(received.value[0]) is torch.Tensor
    assert received.value[0].requires_grad
    assert torch.equal(received.value[0], tensor)
    with torch.no_grad():
        received.value[0][0, 0] = 9
    here.codec.apply(sent, there.codec.changes(received))
    assert tensor[0, 0] == 9


def test_recursive_containers_arrive_as_they_were() -> None:
    knot: list[Any] = []
    knot.append((knot, {"self": knot}))
    back = crossed(knot)
    assert back[0][0] is back
    assert back[0][1]["self"] is back
    ring = collections.deque([1], 5)
    ring.append(ring)
    assert crossed(ring)[1] is not None
    default: Any = collections.defaultdict(list)
    default["me"] = default
    back = crossed(default)
    assert back["me"] is back


def test_an_array_that_holds_itself_is_refused(trusted: Side) -> None:
    array = np.empty(1, dtype=object)
    array[0] = [array]
    with pytest.raises(CodecError, match="holds itself"):
        trusted.codec.dumps(array)


def test_two_arguments_that_are_one_object_stay_one() -> None:
    shared = np.arange(3)
    (first, second), options = crossed(((shared, shared), {"out": shared}))
    assert first is second is options["out"]


def test_a_set_has_the_same_bytes_whatever_the_order_of_hashes() -> None:
    script = (
        "from aisecops.grading.codec import Codec;"
        "print(Codec(None, None).dumps({frozenset('abc'), 'x', 'y', 3, ('p', 'q')}).data.hex())"
    )
    seen = {
        subprocess.run(
            [sys.executable, "-c", script], env={"PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(seen) == 1


def test_libraries_are_loaded_when_a_message_needs_them() -> None:
    messages = [
        Side("trusted").codec.dumps(value).data
        for value in ([1], np.arange(3), pd.Series([1]), sparse.csr_array(np.eye(2)))
    ]
    script = (
        "import sys; from aisecops.grading.codec import Codec; codec = Codec(None, None)\n"
        "for line in sys.stdin:\n"
        "    codec.loads(bytes.fromhex(line))\n"
        "    print(*[name in sys.modules for name in ('numpy', 'pandas', 'scipy.sparse')])"
    )
    run = subprocess.run(
        [sys.executable, "-c", script], input="\n".join(m.hex() for m in messages), text=True, capture_output=True, check=True
    )  # fmt: skip
    assert run.stdout.splitlines() == [
        "False False False",
        "True False False",
        "True True False",
        "True True True",
    ]


# ----------------------------------------------------------------------------------------------- handles


class Trap(type):
    """A metaclass that must not be asked anything."""

    def _sprung(cls, *_: Any) -> Any:
        raise AssertionError("code of the object ran")

    __hash__ = __eq__ = __instancecheck__ = __subclasscheck__ = __repr__ = __len__ = __call__ = _sprung
    __name__ = property(_sprung)


def trapped(base: type) -> Any:
    """An instance of a subclass of ``base`` that notices any call."""

    def sprung(self: Any, *_: Any, **__: Any) -> Any:
        raise AssertionError("code of the object ran")

    names = [
        "__eq__", "__hash__", "__repr__", "__str__", "__len__", "__iter__", "__getattribute__", "__bool__",
        "__index__", "__int__", "__float__", "__getitem__", "__contains__", "__reduce_ex__", "__array__",
        "__format__", "__array_finalize__", "items", "keys", "tobytes", "encode",
    ]  # fmt: skip
    body: dict[str, Any] = dict.fromkeys(names, sprung)
    if base is np.ndarray:
        del body["__array_finalize__"]
    return base.__new__(type.__new__(Trap, "Trapped", (base,), body), *([(2,)] if base is np.ndarray else []))


@pytest.mark.parametrize(
    "base", [object, list, dict, set, int, float, str, bytes, tuple, np.ndarray, Exception]
)
def test_an_instance_of_a_subclass_crosses_as_a_handle_and_runs_no_code(base: type) -> None:
    here, there = Side("student"), Side("trusted")
    value = trapped(base)
    sent = here.codec.dumps([value, (value,)])
    first, (second,) = there.codec.loads(sent.data).value
    assert first.handle == Handle(0, "student", "Trapped")
    assert second is first
    there_sent = there.codec.dumps([first])
    assert here.codec.loads(there_sent.data).value[0] is value, "it comes home as itself"


def test_common_subclasses_are_not_taken_for_their_bases(trusted: Side, student: Side) -> None:
    point = collections.namedtuple("Point", "x y")(1, 2)
    values = [point, np.rec.array([1]), np.ma.array([1]), pd.period_range("2026", periods=2), iter([]), len]
    back = student.codec.loads(trusted.codec.dumps(values).data).value
    kinds = [item.handle.kind for item in back]
    assert kinds == ["Point", "recarray", "MaskedArray", "PeriodIndex", "list_iterator", "function len"]


def test_a_string_column_with_foreign_strings_runs_none_of_their_code(trusted: Side) -> None:
    array = pd.array(["a", "b"], dtype=pd.StringDtype("python"))
    array._ndarray[1] = trapped(str)
    trusted.codec.dumps([array])
    assert trusted.objects == [array] or trusted.objects[0] is array


def test_what_a_handle_says_about_an_object() -> None:
    def least() -> None: ...

    class Vault: ...

    class Hostile(str):
        def isprintable(self) -> bool:
            raise AssertionError("code of the object ran")

    assert describe(least) == "function least"
    assert describe(Vault) == "class Vault"
    assert describe(Vault()) == "Vault"
    Vault.__name__ = "V\n" * 100
    assert describe(Vault()) == "V" * 80
    least.__name__ = Hostile("least")
    assert describe(least) == "function ?"


@pytest.mark.parametrize("fields", [(-1, "student", "x"), (1 << 63, "student", "x"), (True, "student", "x"), (0, "nobody", "x"),
                                    (0, "student", "x" * 81), (0, "student", "a\nb")])  # fmt: skip
def test_a_handle_checks_its_fields(fields: Any) -> None:
    with pytest.raises(CodecError):
        Handle(*fields)


def test_an_error_names_the_path_to_what_cannot_cross() -> None:
    def refuse(value: object) -> Handle:
        raise CodecError(f"a {describe(value)} cannot cross")

    codec = Codec(refuse, lambda handle: None)
    with pytest.raises(CodecError, match=r"a Side cannot cross: args\[0\]\['x'\]\[1\]$"):
        codec.dumps(({"w": 1, "x": [0, Side("trusted")]},), "args")
    with pytest.raises(CodecError, match=r"value\[…\]\[2\]$"):
        codec.dumps({None: collections.deque([1, 2, Side("trusted")])})
    with pytest.raises(CodecError, match=r"…$"):
        codec.dumps({"long " * 100: {"name " * 100: {"of " * 100: {"a " * 100: {"key " * 100: {1: codec}}}}}})


def test_objects_are_keys_only_if_that_calls_nothing(trusted: Side, student: Side) -> None:
    class Plain: ...

    class Calls:
        def __hash__(self) -> int:
            raise AssertionError("the handle was asked for its hash")

    plain = Plain()
    back = student.codec.loads(trusted.codec.dumps({(plain, 1): 2, plain: {plain}}).data).value
    assert next(iter(back.values())) == 2
    calls = Codec(trusted.export, lambda handle: Calls.__new__(Calls))
    for data in (raw(dict, HANDLE, b"\0"), raw(set, HANDLE), raw(frozenset, raw(tuple, HANDLE)),
                 raw(set, raw(tuple, raw(tuple, HANDLE)))):  # fmt: skip
        with pytest.raises(CodecError, match="cannot be a key"):
            calls.loads(data)


# ------------------------------------------------------------------------------------------- copying back


def change_frame(value: pd.DataFrame) -> None:
    value["new"] = ["a", "b"]
    value.loc[2] = [8, 9, "c"]
    del value["a"]


CHANGES: dict[str, tuple[Callable[[], Any], Callable[[Any], Any], Callable[[Any], Any]]] = {
    "list": (lambda: [1, 2, 3], lambda v: v.__setitem__(slice(1, 3), ["x"]), list),
    "dict": (lambda: {"a": 1, "b": 2}, lambda v: (v.pop("a"), v.update(c=3, a=4)), lambda v: list(v.items())),
    "set": (lambda: {1, 2}, lambda v: v.symmetric_difference_update({2, 3}), set),
    "bytearray": (lambda: bytearray(b"abc"), lambda v: v.extend(b"d"), bytes),
    "deque": (lambda: collections.deque([1, 2], 3), lambda v: v.extend([3, 4]), lambda v: (list(v), v.maxlen)),
    "Counter": (lambda: collections.Counter("aab"), lambda v: v.update("ab"), lambda v: dict(v)),
    "OrderedDict": (
        lambda: collections.OrderedDict(a=1, b=2), lambda v: v.move_to_end("a"), lambda v: list(v.items()),
    ),
    "defaultdict": (
        lambda: collections.defaultdict(list), lambda v: (v["a"].append(1), setattr(v, "default_factory", int)),
        lambda v: (dict(v), v.default_factory),
    ),
    "array": (lambda: np.arange(4.0), lambda v: v.__setitem__(2, np.nan), lambda v: v.tobytes()),
    "frozen array": (lambda: np.arange(4.0), lambda v: v.setflags(write=False), lambda v: v.flags.writeable),
    "objects": (lambda: np.array([1, "a"], object), lambda v: v.__setitem__(0, [5]), lambda v: v.tolist()),
    "frame": (lambda: pd.DataFrame({"a": [1, 2], "b": [3, 4]}), change_frame, lambda v: v.to_csv()),
    "series": (
        lambda: pd.Series([1, 2], name="s"), lambda v: (v.__setitem__(5, 7), setattr(v, "name", "t")),
        lambda v: (v.to_csv(), v.name),
    ),
    "sparse": (
        lambda: sparse.csr_matrix(np.eye(2)), lambda v: v.data.__imul__(3), lambda v: v.toarray().tolist(),
    ),
    "Random": (lambda: random.Random(1), lambda v: v.gauss(0, 1), lambda v: v.getstate()),
    "Generator": (
        lambda: np.random.default_rng(1), lambda v: (v.integers(9, dtype="i4"), v.spawn(2)),
        lambda v: (v.bit_generator.state, v.bit_generator.seed_seq.n_children_spawned),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_argument_is_changed_in_place(name: str, trusted: Side, student: Side) -> None:
    make, change, look = CHANGES[name]
    value, untouched, expected = make(), make(), make()
    sent = trusted.codec.dumps((value, untouched, [value]))
    received = student.codec.loads(sent.data)
    change(received.value[0])
    change(expected)
    changes = student.codec.changes(received)
    trusted.codec.apply(sent, changes)
    assert look(value) == look(expected)
    assert look(value) != look(make())
    assert look(untouched) == look(make())
    assert len(sent.value) == 3
    assert sent.value[2] == [value] if name in ("list", "dict", "set") else sent.value[2][0] is value


def test_only_what_changed_goes_back(trusted: Side, student: Side) -> None:
    sent = trusted.codec.dumps([np.zeros(10_000), [[1]], {"k": [2]}])
    received = student.codec.loads(sent.data)
    received.value[2]["k"].append(3)
    changes = student.codec.changes(received)
    assert len(changes) < 20
    trusted.codec.apply(sent, changes)
    assert sent.value[1:] == [[[1]], {"k": [2, 3]}]


def test_changes_may_tie_the_arguments_together(trusted: Side, student: Side) -> None:
    first, second, table = [1], [2], {"x": [3]}
    inner = table["x"]
    sent = trusted.codec.dumps((first, second, table))
    received = student.codec.loads(sent.data)
    a, b, t = received.value
    fresh = [b]
    a.append(a)
    b.extend([t, fresh])
    t["y"] = fresh
    trusted.codec.apply(sent, student.codec.changes(received))
    assert first[1] is first
    assert second[1] is table
    assert second[2] is table["y"]
    assert table["y"][0] is second
    assert table["x"] is inner


def test_objects_of_both_sides_come_back_in_changes(trusted: Side, student: Side) -> None:
    mine, theirs = StandIn, Side("x")
    sent = trusted.codec.dumps([theirs])
    received = student.codec.loads(sent.data)
    received.value.append(mine)
    received.value.append(received.value[0])
    trusted.codec.apply(sent, student.codec.changes(received))
    assert sent.value[0] is sent.value[2] is theirs
    assert sent.value[1].handle == Handle(0, "student", "class StandIn")


@settings(max_examples=100, deadline=None)
@given(VALUES, VALUES)
def test_any_change_to_a_list_and_a_dict_is_copied_back(old: Any, new: Any) -> None:
    here, there = Side("trusted"), Side("student")
    box = [old, {"old": old}, 0]
    sent = here.codec.dumps(box)
    received = there.codec.loads(sent.data)
    received.value[0] = new
    received.value[1]["new"] = new
    here.codec.apply(sent, there.codec.changes(received))
    assert same(box, [new, {"old": box[1]["old"], "new": new}, 0])


def test_an_object_that_cannot_take_its_change_leaves_all_unchanged(trusted: Side, student: Side) -> None:
    for array, change in (
        (np.arange(4), lambda v: v.resize(5, refcheck=False)),
        (np.broadcast_to(np.arange(2), (2, 2)), lambda v: (v.setflags(write=True), v.fill(0))),
    ):
        other = [1]
        sent = trusted.codec.dumps((other, array))
        received = student.codec.loads(sent.data)
        received.value[0].append(2)
        change(received.value[1])
        with pytest.raises(CodecError, match="ndarray numbered 1 cannot take its change"):
            trusted.codec.apply(sent, student.codec.changes(received))
        assert other == [1]


def test_an_object_that_changed_its_class_is_an_error(trusted: Side, student: Side) -> None:
    received = student.codec.loads(trusted.codec.dumps([pd.DataFrame({"a": [1]})]).data)
    received.value[0].__class__ = type("Mine", (pd.DataFrame,), {})
    with pytest.raises(CodecError, match="object 1 has become"):
        student.codec.changes(received)


def test_a_frame_changed_beyond_the_codec_is_an_error(trusted: Side, student: Side) -> None:
    received = student.codec.loads(trusted.codec.dumps([pd.DataFrame({"a": [1]})]).data)
    received.value[0]["p"] = pd.period_range("2026", periods=1)
    with pytest.raises(CodecError, match="DataFrame, has become one that cannot cross"):
        student.codec.changes(received)


@pytest.mark.parametrize("data", [b"\5", b"\0\0", b"\1\0", b"\xff" * 20, b"\0"])
def test_malformed_changes_change_nothing(data: bytes, trusted: Side) -> None:
    value = [1]
    with pytest.raises(CodecError):
        trusted.codec.apply(trusted.codec.dumps(value), data)
    assert value == [1]


def test_changes_come_in_order_and_once(trusted: Side) -> None:
    value = [1]
    sent = trusted.codec.dumps(value)
    with pytest.raises(CodecError, match="object 0"):
        trusted.codec.apply(sent, b"\0" + raw(list) + b"\0" + raw(list))
    assert value == [1]


# ------------------------------------------------------------------------------------------------- limits


def nested(depth: int) -> Any:
    value: Any = []
    for _ in range(depth - 1):
        value = (value,)
    return value


def test_depth_is_limited_on_both_sides(trusted: Side) -> None:
    deep = nested(200)
    assert same(deep, crossed(deep))
    with pytest.raises(CodecError, match="200 deep"):
        trusted.codec.dumps(nested(201))
    with pytest.raises(CodecError, match="200 deep"):
        trusted.codec.loads(bytes([TAG(tuple), 1]) * 100_000 + b"\0")


def test_pythons_own_recursion_limit_does_not_matter(trusted: Side) -> None:
    def dive(left: int) -> Any:
        return dive(left - 1) if left else trusted.codec.loads(trusted.codec.dumps(nested(200)).data).value

    frames = 0
    frame: Any = sys._getframe()
    while frame:
        frames, frame = frames + 1, frame.f_back
    assert same(dive(sys.getrecursionlimit() - frames - 30), nested(200))


def test_other_limits_hold_on_both_sides(trusted: Side) -> None:
    for limits, value in (
        (Limits(bytes=100), "x" * 100),
        (Limits(bytes=100), np.zeros(100)),
        (Limits(bytes=100), [0] * 60),
        (Limits(nodes=10), [None] * 10),
        (Limits(int_bits=80), 1 << 100),
    ):
        small = Side("trusted", limits)
        with pytest.raises(CodecError, match="more than"):
            small.codec.dumps(value)
        with pytest.raises(CodecError, match="more than"):
            small.codec.loads(trusted.codec.dumps(value).data)


def test_a_huge_int_crosses_in_no_time() -> None:
    value = (1 << (8 << 20) - 1) - 1
    assert crossed([value, -value]) == [value, -value]


# ---------------------------------------------------------------------------------------------- hostility


def TAG(kind: type) -> int:  # noqa: N802
    """The byte that stands for a type."""
    return codec_module._KINDS[id(kind)].tag


def number(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def raw(kind: type, *parts: bytes) -> bytes:
    """A compound as a hostile writer may write it, of parts that need not fit."""
    return bytes([TAG(kind)]) + number(len(parts)) + b"".join(parts)


def put(value: Any) -> bytes:
    return Side("student").codec.dumps(value).data


HANDLE = bytes([8, 1, 0, 5, 1]) + b"X"
put([np.arange(1), pd.Series([1]), sparse.csr_array(np.eye(2))])  # from here on their tags are known


def array(dtype: bytes, shape: Any, content: Any, marks: int = 0) -> bytes:
    return raw(np.ndarray, dtype, put(marks), put(shape), put(content))


DTYPE = type(np.dtype("f8"))
OBJECT = raw(DTYPE, put("|O"))
BYTE = raw(DTYPE, put("|u1"))
PLAIN = bytes([TAG(codec_module._Plain)])
CSR = {"data": np.ones(1), "indices": np.zeros(1, "i4"), "indptr": np.array([0, 1], "i4"), "shape": (1, 2)}


def csr(**parts: Any) -> bytes:
    data, indices, indptr, shape = (CSR | parts).values()
    return raw(sparse.csr_matrix, put(data), put(indices), put(indptr), put(shape))


def generator(**parts: Any) -> bytes:
    usual: dict[str, Any] = {"state": 1, "inc": 1, "has": 0, "half": 0, "entropy": 1, "key": (), "spawned": 0}
    return raw(np.random.Generator, *map(put, (usual | parts).values()))


HOSTILE = {
    "nothing": b"",
    "unknown tag": b"\x3f",
    "unknown tag of a library": b"\x5f",
    "beyond all tags": b"\xff",
    "more after the end": b"\0\0",
    "list of 2**40 parts": bytes([TAG(list)]) + number(1 << 40),
    "text of 2**60 bytes": b"\5" + number(1 << 60),
    "number without end": b"\5" + b"\xff" * 50,
    "integer of 2 MiB": b"\3" + number(2 << 20) + bytes(2 << 20),
    "half a float": b"\4abc",
    "broken text": b"\5\2\xc3\x28",
    "reference to nothing": b"\7\0",
    "reference ahead": raw(list, b"\7\1", raw(list)),
    "broken handle": b"\x08\x02\0\5\1X",
    "handle without text": b"\x08\1\0\0",
    "handle with a newline": b"\x08\1\0\5\1\n",
    "odd dict": raw(dict, b"\0"),
    "same key twice": raw(dict, b"\0", b"\0", b"\0", b"\0"),
    "equal keys": raw(dict, put(1), b"\0", put(1.0), b"\0"),
    "list as key": raw(dict, raw(list), b"\0"),
    "list in a tuple as key": raw(dict, raw(tuple, raw(list)), b"\0"),
    "slice as key": raw(set, raw(slice, b"\0", b"\0", raw(list))),
    "list in a set": raw(set, raw(list)),
    "same member twice": raw(frozenset, b"\0", b"\0"),
    "huge key": raw(set, put(1 << 5000)),
    "colliding keys": raw(set, *(put(k * (2**61 - 1)) for k in range(500))),
    "Ellipsis with a part": raw(type(...), b"\0"),
    "range of an object": raw(range, HANDLE, HANDLE, HANDLE),
    "range without step": raw(range, put(0), put(1), put(0)),
    "deque of an object": raw(collections.deque, HANDLE),
    "deque of nothing": raw(collections.deque),
    "huge deque": raw(collections.deque, put(1 << 70)),
    "type by name": raw(type, put("eval")),
    "year 0": raw(datetime.date, put(0), put(1), put(1)),
    "zone outside": raw(zoneinfo.ZoneInfo, put("../../etc/passwd")),
    "unknown zone": raw(zoneinfo.ZoneInfo, put("Nowhere/Else")),
    "long zone": raw(zoneinfo.ZoneInfo, put("a/" * 1000 + "b")),
    "zone by handle": raw(datetime.time, put(1), put(1), put(1), put(1), HANDLE, put(0)),
    "no decimal": raw(decimal.Decimal, put("eval")),
    "fraction by zero": raw(fractions.Fraction, put(1), put(0)),
    "huge fraction": raw(fractions.Fraction, put(3**20_000), put(1 << 20_000)),
    "short random state": raw(random.Random, put(b"x"), b"\0"),
    "random state out of range": raw(random.Random, put(b"\xff" * 2500), b"\0"),
    "dtype by name": raw(DTYPE, put("os.system")),
    "dtype of many": raw(DTYPE, put("f8,O")),
    "dtype too large": raw(DTYPE, put("<U999999999")),
    "dtype of handles": raw(DTYPE, HANDLE),
    "dtype of objects inside": raw(DTYPE, OBJECT, put((1,))),
    "structured objects": raw(DTYPE, put(("a",)), raw(tuple, OBJECT), put((0,)), put(8)),
    "field outside": raw(DTYPE, put(("a",)), raw(tuple, BYTE), put((9,)), put(8)),
    "array of 2**39 items": array(raw(DTYPE, put("<f8")), (1 << 39,), b""),
    "array of no bytes": array(raw(DTYPE, put("|S0")), (1 << 39,), b""),
    "array with too many bytes": array(BYTE, (1,), b"xx"),
    "array of negative shape": array(BYTE, (-1, -1), b"x"),
    "array of strange shape": array(BYTE, ("1",), b"x"),
    "array of 65 dimensions": array(BYTE, (1,) * 65, b"x"),
    "array of subarrays": array(raw(DTYPE, BYTE, put((2,))), (1,), b"xx"),
    "array with unknown marks": array(BYTE, (1,), b"x", 4),
    "objects from bytes": array(OBJECT, (1,), b"\1\2\3\4\5\6\7\x08"),
    "bytes from objects": array(BYTE, (1,), (1,)),
    "array in itself": array(OBJECT, (1,), ())[:-2] + raw(tuple, b"\7\0"),
    "no bool": array(raw(DTYPE, put("|b1")), (2,), b"\1\xff"),
    "no bool in a field": array(
        raw(DTYPE, put(("a",)), raw(tuple, raw(DTYPE, put("|b1"))), put((1,)), put(2)), (1,), b"\0\2"
    ),
    "no character": array(raw(DTYPE, put("<U1")), (1,), b"\xff\xff\xff\xff"),
    "scalar that is no bool": raw(np.bool_, put("|b1"), put(b"\2")),
    "scalar too short": raw(np.float64, put("<f8"), put(b"1")),
    "generator out of range": generator(inc=1 << 128),
    "generator of huge entropy": generator(entropy=1 << 5000),
    "generator of many children": generator(spawned=1 << 40),
    "generator of a text": generator(key=("x",)),
    "sparse out of bounds": csr(indices=np.array([5], "i4")),
    "sparse before the start": csr(indices=np.array([-1], "i4")),
    "sparse with wrong starts": csr(indptr=np.array([0, 9], "i4")),
    "sparse with too few starts": csr(indptr=np.array([0], "i4")),
    "sparse with float indices": csr(indices=np.array([0.5])),
    "sparse of negative shape": csr(shape=(-1, 2)),
    "series of a scalar": raw(pd.Series, put(1), put(pd.RangeIndex(1)), b"\0"),
    "series of wrong length": raw(pd.Series, put(np.arange(2)), put(pd.RangeIndex(1)), b"\0"),
    "series with a list as name": raw(pd.Series, put(np.arange(1)), put(pd.RangeIndex(1)), raw(list)),
    "frame without columns": raw(pd.DataFrame, put(pd.RangeIndex(1 << 50)), put(pd.RangeIndex(1))),
    "frame of three parts less one": raw(pd.DataFrame, put(pd.RangeIndex(1))),
    "index of lists": raw(pd.Index, array(OBJECT, (1,), ([],)), b"\0", b"\0"),
    "index with a strange frequency": raw(pd.DatetimeIndex, put(np.zeros(1, "M8[s]")), b"\0", put("eval()")),
    "index with a long frequency": raw(pd.DatetimeIndex, put(np.zeros(1, "M8[s]")), b"\0", put("1D" * 99)),
    "categories out of range": raw(pd.Categorical, put(np.array([7])), put(pd.Index(["a"])), put(False)),
    "levels out of range": raw(pd.MultiIndex, put((None,)), put(pd.Index(["a"])), put(np.array([3]))),
    "levels that are ranges": raw(pd.MultiIndex, put((None,)), put(pd.RangeIndex(1 << 50)), put(np.array([0]))),
    "categories that are a range": raw(pd.Categorical, put(np.array([0])), put(pd.RangeIndex(9)), put(False)),
    "levels that are arrays": raw(pd.MultiIndex, put((None,)), put(np.array(["a"])), put(np.array([0]))),
    "strings of wrong lengths": raw(
        pd.arrays.StringArray, put("abc"), put(np.array([9], "i4")), put("python"), put(True)
    ),
    "strings of a strange storage": raw(
        pd.arrays.StringArray, put("a"), put(np.array([1], "i4")), put("eval"), put(True)
    ),
    "mask of another length": raw(pd.arrays.IntegerArray, put(np.array([1])), put(np.array([True, False]))),
    "stamp of a text": raw(pd.Timestamp, put("now"), b"\0"),
}  # fmt: skip


class Called:
    """What a handle resolves to here: whoever asks it anything falls into the trap."""

    def __getattribute__(self, name: str) -> Any:
        raise AssertionError(f"{name} of a handle was used")

    def __index__(self) -> int:
        raise AssertionError("a handle was used as a number")

    __float__ = __int__ = __len__ = __iter__ = __str__ = __call__ = __bool__ = __array__ = __index__


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_bytes_are_refused(name: str, trusted: Side) -> None:
    codec = Codec(trusted.export, lambda handle: Called())
    with pytest.raises(CodecError) as caught:
        codec.loads(HOSTILE[name])
    assert "AssertionError" not in str(caught.value)


def test_objects_in_columns_and_labels_are_asked_nothing(trusted: Side) -> None:
    codec = Codec(trusted.export, lambda handle: Called())
    objects = PLAIN + array(OBJECT, (1,), ())[1:-2] + raw(tuple, HANDLE)
    index, one = raw(pd.Index, objects, HANDLE, b"\0"), put(np.arange(1))
    for data in (
        objects,
        index,
        raw(pd.Series, objects, index, HANDLE),
        raw(pd.DataFrame, index, index, objects),
        raw(pd.Categorical, one, index, put(False)),
        raw(pd.MultiIndex, raw(tuple, HANDLE), index, one),
    ):
        codec.loads(data)


def test_a_fraction_too_long_to_shorten_stays_behind_a_handle(trusted: Side, student: Side) -> None:
    value = fractions.Fraction(1, 1 << 5000)
    assert type(student.codec.loads(trusted.codec.dumps([value]).data).value[0]) is StandIn


def test_a_message_for_torch_does_not_load_it(trusted: Side) -> None:
    if "torch" in sys.modules:
        pytest.skip("torch is loaded already")
    with pytest.raises(CodecError, match="torch"):
        trusted.codec.loads(b"\xa0\2")


def test_a_handle_that_leads_nowhere_is_a_codec_error(student: Side) -> None:
    with pytest.raises(CodecError, match="handle of X leads nowhere"):
        student.codec.loads(HANDLE)
    refusing = Codec(student.export, lambda handle: (_ for _ in ()).throw(CodecError("no such object")))
    with pytest.raises(CodecError, match="no such object"):
        refusing.loads(HANDLE)


SEEDS = [
    put(value)
    for value in (
        [1, -(1 << 70), 2.5, "é", b"x", None, True, (), {"a": [1], ("b", 2): {3}}, frozenset({1, "q"})],
        [bytearray(b"x"), range(3), slice(1), int, 1j, datetime.datetime(2026, 1, 2, tzinfo=BERLIN), Side],
        [decimal.Decimal("1.5"), fractions.Fraction(1, 3), pathlib.PosixPath("a"), random.Random(1)],
        [collections.Counter("ab"), collections.deque([1], 2), collections.defaultdict(list, a=[1])],
        [np.arange(4.0).reshape(2, 2).T, np.array(["a", "bc"]), np.array([1, [2]], object), np.float32(1)],
        [np.zeros(2, [("a", "i4"), ("b", "?")]), np.array([True]), np.random.default_rng(1)],
        frame(),
        frame().set_index(["text", "whole"]),
        [sparse.csr_matrix(np.eye(3)), pd.Timestamp("2026", tz="UTC"), pd.NaT, pd.Series(["a"])],
    )
]


@st.composite
def broken(draw: Any) -> bytes:
    """A valid message with bytes flipped, cut out, doubled or mixed with another's."""
    data = bytearray(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(data)))
        end = min(len(data), place + draw(st.integers(0, 12)))
        match draw(st.integers(0, 4)):
            case 0 if place < len(data):
                data[place] = draw(st.integers(0, 255))
            case 1:
                del data[place:end]
            case 2:
                data[place:place] = data[place:end]
            case 3:
                data[place:end] = draw(st.sampled_from(SEEDS))[: end - place]
            case 4:
                del data[place:]
    return bytes(data)


def survives(data: bytes) -> None:
    side = Side("trusted")
    codec = Codec(side.export, side.resolve, Limits(bytes=1 << 20, nodes=20_000))
    try:
        message = codec.loads(data)
    except CodecError:
        return
    # What was accepted is a value like any other: it crosses again, unless it is over the limits.
    try:
        again = codec.dumps(message.value)
        codec.apply(again, codec.changes(message))
    except CodecError:
        return
    codec.loads(again.data)


@settings(max_examples=300, deadline=None)
@given(broken() | st.binary(max_size=60))
@pytest.mark.filterwarnings("ignore")
def test_wild_bytes_give_a_value_or_a_codec_error(data: bytes) -> None:
    survives(data)


PARTS = st.sampled_from([put(0), put(1), put(""), put("a"), put(b""), b"\0", b"\1", b"\7\0", b"\7\1", HANDLE, OBJECT, BYTE,
                         put(np.arange(2)), put(pd.RangeIndex(2)), put(1.5), put((1,)), put(frame())])  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(
    st.recursive(
        PARTS,
        lambda inner: st.builds(
            lambda tag, parts: bytes([tag, len(parts)]) + b"".join(parts),
            st.sampled_from(sorted(codec_module._TAGGED)),
            st.lists(inner, max_size=5),
        ),
        max_leaves=15,
    )
)
@pytest.mark.filterwarnings("ignore")
def test_well_formed_nonsense_gives_a_value_or_a_codec_error(data: bytes) -> None:
    survives(data)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 3), broken() | st.binary(max_size=30))
@pytest.mark.filterwarnings("ignore")
def test_wild_changes_are_made_or_refused(index: int, data: bytes) -> None:
    side = Side("trusted")
    sent = side.codec.dumps([[1], {"a": 2}, np.arange(2)])
    before = repr(sent.value)
    try:
        side.codec.apply(sent, bytes([index]) + data)
    except CodecError:
        assert repr(sent.value) == before


def test_nan_payloads_and_signed_zeros_survive() -> None:
    odd = struct.unpack("<d", b"\x01\x00\x00\x00\x00\x00\xf0\x7f")[0]
    value = [odd, -odd, -0.0, complex(-0.0, odd), math.inf]
    assert same(value, crossed(value))


@pytest.mark.parametrize("value", [range(10**18), range(0, -(10**18), -3), range(10**30)], ids=repr)
def test_a_range_that_nobody_can_go_through_stays_where_it_is(value: range) -> None:
    codec = Codec(lambda met: Handle(1, "student", "range"), lambda handle: handle)
    assert isinstance(codec.loads(codec.dumps(value).data).value, Handle)
