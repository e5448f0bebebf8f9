"""The log of attempts: nothing that was recorded may be lost, whatever happens to it or around it."""

import json
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aisecops.course import CourseError
from aisecops.progress.store import SELF_CHECKED, SOURCES, Event, Store

PAGE_BYTES = 4096

APPENDS = """
import sys
from pathlib import Path
from aisecops.progress.store import Event, Store

store = Store(Path(sys.argv[1]), patience_s=60)
for number in range(int(sys.argv[3])):
    store.append(Event("self-checked", "rates", 0, 4, f"{sys.argv[2]}-{number}"))
    print(number, flush=True)
"""


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "desk" / ".progress" / "attempts.sqlite3")


def event(number: int = 0, **fields: object) -> Event:
    plain = {"source": SELF_CHECKED, "cell": "rates", "points": 0.0, "most": 4.0, "uid": f"{number:032x}"}
    at = f"2026-01-{1 + number // 1440 % 28:02}T{number // 60 % 24:02}:{number % 60:02}:00.000+00:00"
    return Event(**{**plain, "at": at, "detail": f"reason {number}", **fields})


def appender(file: Path, name: str, times: int) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", APPENDS, str(file), name, str(times)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


# What is written can be read


def test_a_log_that_was_never_written_is_empty_and_leaves_no_file(store: Store) -> None:
    assert store.events() == []
    assert store.tallies() == []
    assert store.times(SELF_CHECKED, ["rates"]) == []
    assert store.state() == ()
    assert not store.file.parent.exists()


def test_what_is_appended_is_read_back_in_order(store: Store) -> None:
    events = [event(2), event(1, points=4.0), event(3, detail="ünïcödé 'quoted' \u2028 \U0001f512")]
    assert store.append(*events) == 3
    assert Store(store.file).events() == events
    assert store.append(events[0]) == 0, "an event with the same uid is the same event"
    assert Store(store.file).events() == events
    assert store.notice == ""


def test_an_event_gets_a_time_and_a_name_of_its_own() -> None:
    one, other = (Event(SELF_CHECKED, "rates", 4, 4) for _ in range(2))
    assert one.uid != other.uid
    assert one.at.endswith("+00:00")
    assert one.passed
    assert not Event(SELF_CHECKED, "rates", 3, 4).passed


def test_times_are_those_of_the_source_and_the_cells_asked_for(store: Store) -> None:
    store.append(
        event(1), event(2, cell="leak"), event(3, cell="other"), event(4, source=SOURCES[1]), event(5)
    )
    assert sorted(store.times(SELF_CHECKED, ["leak", "rates", "leak"])) == [
        ("leak", event(2).at),
        ("rates", event(1).at),
        ("rates", event(5).at),
    ]
    assert store.times(SELF_CHECKED, []) == []


@settings(max_examples=25, deadline=None)
@given(
    tries=st.lists(
        st.tuples(st.sampled_from(SOURCES), st.sampled_from("ab"), st.integers(0, 4), st.integers(0, 99))
    )
)
def test_tallies_say_what_the_events_say(tries: list[tuple[str, str, int, int]]) -> None:
    with TemporaryDirectory() as folder:
        store = Store(Path(folder, "log.sqlite3"))
        events = [
            event(minute, source=source, cell=cell, points=float(points), uid=str(number))
            for number, (source, cell, points, minute) in enumerate(tries)
        ]
        store.append(*events)
        tallies = {(tally.source, tally.cell): tally for tally in store.tallies()}
    assert tallies.keys() == {(one.source, one.cell) for one in events}
    for (source, cell), tally in tallies.items():
        own = [one for one in events if (one.source, one.cell) == (source, cell)]
        assert tally.count == len(own)
        assert tally.best == max(one.points for one in own)
        assert (tally.latest, tally.last_at) == (own[-1].points, own[-1].at)
        assert tally.first_at == min(one.at for one in own)
        assert tally.passed_at == min((one.at for one in own if one.passed), default=None)


def test_the_state_changes_with_every_append_of_any_process(store: Store) -> None:
    states = {store.state()}
    for number in range(3):
        with appender(store.file, str(number), 1) as other:
            other.wait()
        states.add(store.state())
    assert len(states) == 4
    before = store.state()
    store.tallies()
    assert store.state() == before, "reading is no change"


# Several at once, and sudden ends


def test_processes_that_append_at_once_lose_nothing(store: Store) -> None:
    processes, times = 6, 40
    writers = [appender(store.file, str(number), times) for number in range(processes)]
    for writer in writers:
        with writer:
            writer.communicate()
            assert writer.returncode == 0
    details = [one.detail for one in store.events()]
    assert sorted(details) == sorted(f"{p}-{t}" for p in range(processes) for t in range(times))
    for number in range(processes):
        own = [detail for detail in details if detail.startswith(f"{number}-")]
        assert own == [f"{number}-{time}" for time in range(times)]
    assert store.notice == ""


@pytest.mark.parametrize("after", [0, 1, 30])
def test_a_process_killed_while_appending_loses_nothing_it_had_said(store: Store, after: int) -> None:
    with appender(store.file, "killed", 1_000_000) as writer:
        assert writer.stdout
        for line in writer.stdout:
            if int(line) >= after:
                break
        writer.send_signal(signal.SIGKILL)
        rest = writer.stdout.read()
    said = max([int(line) for line in rest.split("\n")[:-1]], default=after)
    details = [one.detail for one in store.events()]
    assert details in [[f"killed-{number}" for number in range(said + more)] for more in (1, 2)]
    assert store.notice == ""
    assert store.append(event()) == 1


# Append-only


@pytest.mark.parametrize("change", ["UPDATE event SET points = most", "DELETE FROM event"])
def test_the_database_itself_refuses_changes(store: Store, change: str) -> None:
    store.append(event(1), event(2))
    with (
        closing(sqlite3.connect(store.file)) as database,
        pytest.raises(sqlite3.IntegrityError, match="append-only"),
    ):
        database.execute(change)
    assert store.events() == [event(1), event(2)]


# Damage


def damaged(tmp_path: Path, events: int, damage: Callable[[bytearray], bytes | bytearray]) -> Store:
    """Return a store over a log of so many events that was damaged afterwards."""
    store = Store(tmp_path / "attempts.sqlite3")
    store.append(*(event(number, detail="x" * 200) for number in range(events)))
    with closing(sqlite3.connect(store.file)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    store.file.write_bytes(damage(bytearray(store.file.read_bytes())))
    return Store(store.file)


def kept(store: Store) -> list[Path]:
    return sorted(store.file.parent.glob("*corrupt*.sqlite3"))


def overwrite(start: int, with_: bytes) -> Callable[[bytearray], bytearray]:
    def damage(data: bytearray) -> bytearray:
        data[start : start + len(with_)] = with_
        return data

    return damage


@pytest.mark.parametrize("access", [Store.events, Store.tallies, lambda store: store.append(event(999))])
def test_damage_on_one_page_costs_the_rows_of_that_page_only(
    tmp_path: Path, access: Callable[[Store], object]
) -> None:
    size = len(damaged(tmp_path / "whole", 300, bytes).file.read_bytes())
    middle = size // 2 // PAGE_BYTES * PAGE_BYTES
    store = damaged(tmp_path / "hit", 300, overwrite(middle, b"\xff" * PAGE_BYTES))
    access(store)
    access(store)
    store.events()  # may be the first to meet the damage: a tally reads an index only
    rescued = [one for one in store.events() if one.uid != event(999).uid]
    assert 280 <= len(rescued) <= 300
    assert set(rescued) <= {event(number, detail="x" * 200) for number in range(300)}
    number = re.search(r"the (\d+) events that could be read are kept", store.notice)
    assert number
    # An append that does not touch the page is rescued with the others.
    assert int(number[1]) - len(rescued) in (0, event(999) in store.events())
    [aside] = kept(store)
    assert aside.name in store.notice
    assert store.append(event(1000)) == 1


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0" * 5000,
        b"this is not a database" * 400,
        b"SQLite format 3\0",
        b"SQLite format 3\0" + b"\xff" * 9000,
    ],
    ids=["empty", "zeros", "text", "header only", "header and noise"],
)
def test_a_file_that_holds_nothing_readable_is_kept_and_replaced(store: Store, content: bytes) -> None:
    store.file.parent.mkdir(parents=True)
    store.file.write_bytes(content)
    assert store.append(event()) == 1
    assert store.events() == [event()]
    assert "the 0 events that could be read" in store.notice
    [aside] = kept(store)
    assert aside.read_bytes() == content


def test_a_ruined_header_costs_no_event(tmp_path: Path) -> None:
    store = damaged(tmp_path, 300, overwrite(0, b"\0" * 100))
    assert [one.uid for one in store.events()] == [event(number).uid for number in range(300)]
    assert "the 300 events" in store.notice


def test_damage_twice_keeps_both_files(tmp_path: Path) -> None:
    for _ in range(2):
        store = damaged(tmp_path, 3, overwrite(0, b"\0" * 100))
        store.events()
        assert store.notice
    assert len(kept(store)) == 2
    assert len(store.events()) == 3


EVENTS = 60
holes = st.lists(
    st.tuples(st.floats(0, 1, exclude_max=True), st.binary(min_size=1, max_size=300)), max_size=4
)


@settings(max_examples=150, deadline=None)
@given(holes, st.floats(0, 1), st.booleans(), st.booleans())
def test_no_damage_raises_anything_but_a_sentence_or_loses_rows_in_silence(
    holes: list[tuple[float, bytes]], keep: float, cut: bool, header: bool
) -> None:
    def damage(data: bytearray) -> bytearray:
        for place, noise in holes:
            size = 200 if header else len(data)
            data = overwrite(int(place * size), noise)(data)
        return data[: int(len(data) * keep)] if cut else data

    with TemporaryDirectory() as folder:
        store = damaged(Path(folder), EVENTS, damage)
        left = store.file.read_bytes()
        try:
            found = store.events()
            store.tallies()
            assert store.append(event(999)) == 1
        except CourseError as error:
            assert "\n" not in str(error)
            assert store.file.read_bytes() == left, "what can't be read is left as it is"
            return
        after = store.events()
        assert event(999) in after
        if store.notice:
            assert left in [file.read_bytes() for file in kept(store)], "the damaged file is kept"
            assert f"the {len(after) - 1} events" in store.notice
            assert cut or not header or len(after) == EVENTS + 1, "the first page holds no events"
        else:
            assert len(found) == EVENTS
            assert kept(store) == []


# Trouble that isn't damage


@pytest.mark.parametrize("held", ["attempts.sqlite3", "attempts.sqlite3.lock"])
def test_a_locked_file_is_one_sentence_and_nothing_is_lost(store: Store, held: str) -> None:
    store.append(event(1))
    impatient = Store(store.file, patience_s=0.05)
    with closing(sqlite3.connect(store.file.with_name(held), isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        for use in (lambda: impatient.append(event(2)), *([impatient.reset] if "lock" in held else [])):
            with pytest.raises(CourseError, match=r"attempts.sqlite3.*locked.*close") as caught:
                use()
            assert "\n" not in str(caught.value)
    assert impatient.append(event(2)) == 1
    assert store.events() == [event(1), event(2)]
    assert kept(store) == []


def test_a_desk_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "desk").write_text("a file where a folder should be")
    store = Store(tmp_path / "desk" / ".progress" / "attempts.sqlite3")
    with pytest.raises(CourseError, match="cannot keep progress in"):
        store.append(event())
    assert store.events() == []
    folder = Store(tmp_path)
    for use in (folder.events, folder.tallies, lambda: folder.append(event())):
        with pytest.raises(CourseError):
            use()


def test_a_log_of_a_newer_version_is_refused_and_left_alone(store: Store) -> None:
    store.append(event())
    with closing(sqlite3.connect(store.file)) as database:
        for name in ("user_version", "application_id"):
            database.execute(f"PRAGMA {name} = 2")
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    before = store.file.read_bytes()
    for use in (store.events, store.tallies, lambda: store.append(event(1))):
        with pytest.raises(CourseError, match="newer version of the course"):
            use()
    assert store.file.read_bytes() == before
    assert kept(store) == []


# Export, import, reset


def test_an_export_can_be_imported_and_a_second_time_adds_nothing(store: Store, tmp_path: Path) -> None:
    events = [event(1), event(2, source=SOURCES[1], points=2.5, detail="line\u2028separator\nand more")]
    store.append(*events)
    target = tmp_path / "export.jsonl"
    assert store.export(target) == 2
    other = Store(tmp_path / "other.sqlite3")
    assert other.import_(target) == 2
    assert other.events() == events
    assert other.import_(target) == 0
    assert other.events() == events


@pytest.mark.parametrize(
    "broken",
    [
        "not json", "[]", "3", "null", "{}", '{"source": "self-checked"}',
        json.dumps({**vars(event(3)), "extra": 1}),
        json.dumps({**vars(event(3)), "source": "made-up"}),
        json.dumps({**vars(event(3)), "points": "4"}),
        json.dumps({**vars(event(3)), "points": float("nan")}),
        json.dumps({**vars(event(3)), "at": "yesterday"}),
        json.dumps({**vars(event(3)), "uid": None}),
    ],
)  # fmt: skip
def test_a_broken_line_imports_nothing_and_is_named(store: Store, tmp_path: Path, broken: str) -> None:
    source = tmp_path / "export.jsonl"
    good = json.dumps(vars(event(1)))
    source.write_text(f"{good}\n\n{broken}\n", encoding="utf-8")
    with pytest.raises(CourseError, match=r"export\.jsonl:3: not an exported event"):
        store.import_(source)
    assert store.events() == []


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"])
def test_a_file_that_cannot_be_read_is_not_imported(
    store: Store, tmp_path: Path, content: bytes | None
) -> None:
    source = tmp_path / "export.jsonl"
    if content:
        source.write_bytes(content)
    with pytest.raises(CourseError, match=r"cannot read .*export\.jsonl"):
        store.import_(source)
    assert not store.file.exists()


def test_a_reset_starts_anew_and_keeps_the_old_log(store: Store) -> None:
    assert store.reset() is None
    kept_logs = []
    for number in range(2):
        store.append(event(number))
        old = store.reset()
        assert old
        kept_logs.append(old)
        assert store.events() == []
    for number, old in enumerate(kept_logs):
        assert Store(old).events() == [event(number)]
