"""What a learner's process can do, and what it cannot, once it is locked in."""

import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aisecops.grading import sandbox
from aisecops.grading.sandbox import Limits, enter

USUAL = Limits()
MISSING = sandbox.works()
pytestmark = pytest.mark.skipif(bool(MISSING), reason=MISSING)


def forked(job: Callable[[], Any], before: Callable[[int], None] = lambda pipe: None) -> Any:
    """Do a job in a fork; return its value, or the name of its error."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(reading)
            before(writing)
            try:
                value = job()
            except Exception as error:
                value = type(error).__name__
            os.write(writing, json.dumps(value).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as told:
        said = told.read()
    os.waitpid(pid, 0)
    return json.loads(said) if said else "died"


def inside(job: Callable[[], Any], limits: Limits = USUAL) -> Any:
    """Do a job in the sandbox; return its value, or the name of its error."""
    with tempfile.TemporaryDirectory() as folder:
        return forked(job, lambda pipe: enter(Path(folder), limits=limits, keep=[pipe]))


def status() -> dict[str, str]:
    """Return what the kernel says of this process."""
    lines = (line.split(":") for line in Path("/proc/self/status").read_text().splitlines())
    return {name: value.strip() for name, value, *_ in lines}


def refused(number: int, *arguments: int) -> Callable[[], bool]:
    def job() -> bool:
        import ctypes

        library = ctypes.CDLL(None, use_errno=True)
        return library.syscall(number, *arguments) == -1 and ctypes.get_errno() in (1, 38)

    return job


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="these are the numbers of x86_64")
@pytest.mark.skipif(bool(sandbox.filters()), reason=sandbox.filters() or "-")
@pytest.mark.parametrize(
    ("call", "number", "arguments"),
    [
        ("unshare a user namespace", 272, (0x10000000,)),
        ("clone a user namespace", 56, (0x10000000 | 17, 0, 0, 0, 0)),
        ("clone3", 435, (0, 0)),
        ("ptrace", 101, (0, 0, 0, 0)),
        ("mount", 165, (0, 0, 0, 0, 0)),
        ("keyctl", 250, (0, 0)),
        ("bpf", 321, (0, 0, 0)),
        ("io_uring_setup", 425, (1, 0)),
        ("a netlink socket", 41, (16, 3, 0)),
        ("a packet socket", 41, (17, 3, 0)),
        ("a vsock", 41, (40, 1, 0)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_has_let_others_out_is_refused(call: str, number: int, arguments: tuple[int, ...]) -> None:
    assert inside(refused(number, *arguments)) is True


def test_it_is_nobody_and_alone() -> None:
    def look() -> dict[str, Any]:
        return {
            "uid": os.getuid(),
            "rights": status()["CapEff"],
            "new privileges": status()["NoNewPrivs"],
            "processes": sum(entry.isdigit() for entry in os.listdir("/proc")) < 4,
            "secrets": [name for name in os.environ if name.startswith("AISECOPS")],
        }

    found = inside(look)
    assert found == {
        "uid": sandbox.NOBODY, "rights": "0" * 16, "new privileges": "1", "processes": True, "secrets": [],
    }  # fmt: skip


def test_an_ordinary_user_keeps_no_right_of_the_namespace_it_made() -> None:
    def job() -> list[str]:
        sandbox._call("unshare", sandbox._NEWUSER)
        had = status()["CapEff"]
        sandbox._give_up_rights()
        return [had, *(status()[each] for each in ("CapInh", "CapPrm", "CapEff", "CapAmb"))]

    had, *kept = forked(job)
    assert int(had, 16), "a namespace of one's own gives every right in it"
    assert kept == ["0" * 16] * 4


def test_files_outside_are_not_there(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("the hidden tests")
    assert inside(lambda: os.path.exists(tmp_path / "secret")) is False
    assert inside(lambda: Path("/etc/shadow").exists()) is False
    assert inside(lambda: Path("/usr/x").write_text("")) in ("OSError", "PermissionError")


def test_the_network_is_its_own(tmp_path: Path) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as decoy:
        port = decoy.getsockname()[1]
        assert (
            inside(lambda: bool(socket.create_connection(("127.0.0.1", port), 5))) == "ConnectionRefusedError"
        )

    def talk() -> str:
        import threading

        server = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=lambda: server.accept()[0].sendall(b"hello"), daemon=True).start()
        with socket.create_connection(server.getsockname(), 5) as client:
            return client.recv(5).decode()

    assert inside(talk) == "hello", "a lab may run a server and its client"


def test_work_goes_on_as_usual() -> None:
    def work() -> list[Any]:
        import sqlite3
        import subprocess
        import sys
        from multiprocessing import get_context

        with get_context("fork").Pool(2) as pool:
            mapped = pool.map(abs, [-1, 2])
        said = subprocess.run([sys.executable, "-c", "print(7)"], capture_output=True, text=True).stdout
        Path("mine.txt").write_text("kept")
        database = sqlite3.connect("mine.db")
        return [mapped, said, Path("mine.txt").read_text(), database.execute("select 3").fetchone()[0]]

    assert inside(work) == [[1, 2], "7\n", "kept", 3]


def test_limits_hold() -> None:
    assert inside(lambda: len(bytearray(3 << 30)), Limits(memory=2 << 30)) == "MemoryError"
    assert inside(lambda: Path("large").write_bytes(bytes(2 << 20)), Limits(file=1 << 20)) == "OSError"

    def forks() -> str:
        import time

        try:
            for _ in range(100):  # a bomb of 100, if nothing holds it
                if os.fork() == 0:
                    time.sleep(2)
                    os._exit(0)
        except OSError as error:
            return type(error).__name__
        return "all"

    assert inside(forks, Limits(processes=20)) == "BlockingIOError"


def test_cpu_time_is_limited() -> None:
    def burn() -> None:
        while True:
            pass

    assert inside(burn, Limits(cpu_s=1)) == "died"
