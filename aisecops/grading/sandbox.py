"""Locks a process in: no network, no other processes, no files but those that Python and the answers need.

The student side forks a warm process for each submission, so the fork locks itself in with the kernel's own
calls (namespaces(7), pivot_root(2)); a wrapper such as bubblewrap would have to start Python anew. Root
becomes nobody; an ordinary user gets a user namespace. A filter of system calls (seccomp(2)), where there is
one, keeps it from making namespaces of its own. Its network is a loopback that leads nowhere else.

What it does not do: it shares the kernel, so it is as safe as that kernel; it leaves the processor's side
channels open.
"""

import contextlib
import ctypes
import errno
import fcntl
import os
import platform
import resource
import signal
import socket
import struct
import sys
import sysconfig
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from aisecops.course import CourseError
from aisecops.grading import seccomp

NOBODY = 65534
WORK = "/home/learner"  # where the learner's code finds its folder

_NEWNS, _NEWCGROUP, _NEWUTS, _NEWIPC = 0x20000, 0x2000000, 0x4000000, 0x8000000
_NEWUSER, _NEWPID, _NEWNET = 0x10000000, 0x20000000, 0x40000000
_RDONLY, _NOSUID, _NODEV, _REMOUNT, _BIND, _REC, _PRIVATE = 1, 2, 4, 32, 4096, 16384, 1 << 18
_DETACH, _PDEATHSIG, _NO_NEW_PRIVS = 2, 1, 38
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}.get(platform.machine())
# A remount may not drop what the mount has: statvfs's flags and mount's.
_KEPT = {2: 2, 4: 4, 8: 8, 1024: 1024, 4096: 1 << 21}  # nosuid, nodev, noexec, noatime, relatime


class SandboxError(CourseError):
    """This machine does not let a process lock itself in."""


@dataclass(frozen=True)
class Limits:
    """What a submission may use.

    Attributes:
        memory: bytes of address space; that is what a process can be refused.
        cpu_s: seconds of CPU time.
        processes: of its user, threads included.
        file: bytes of one file.
        scratch: bytes of all files outside its folder.
    """

    memory: int = 6 << 30
    cpu_s: int = 600
    processes: int = 256
    file: int = 50 << 20
    scratch: int = 256 << 20


def enter(folder: Path, *, limits: Limits = Limits(), keep: Sequence[int] = ()) -> None:
    """Lock this process in; call it in a fork with one thread.

    Returns in a child of the calling process that is process 1 of its own world. The caller itself only
    waits for that child, and takes it along when it is killed.

    Args:
        folder: becomes the home and working folder, the only place outside ``/tmp`` that can be written to.
        limits: what may be used.
        keep: file descriptors that stay open, besides 0, 1 and 2, which lead nowhere.

    Raises:
        SandboxError: this machine refuses one of the steps; the process must not go on.
    """
    root = os.geteuid() == 0
    if root:
        os.chown(folder, NOBODY, NOBODY)
    spaces = _NEWNS | _NEWPID | _NEWNET | _NEWIPC | _NEWUTS | _NEWCGROUP | (0 if root else _NEWUSER)
    uid, gid = os.getuid(), os.getgid()
    _call("unshare", spaces)
    if not root:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{NOBODY} {uid} 1")
        Path("/proc/self/gid_map").write_text(f"{NOBODY} {gid} 1")
    _raise_loopback()
    _become_first(keep)
    _build_world(folder, limits)
    _close_all_but(keep)
    _clean_environment()
    _limit(limits)
    if root:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
    _give_up_rights()
    _call("prctl", _NO_NEW_PRIVS, 1, 0, 0, 0)
    die_with_parent()  # changing the user has cleared it
    with contextlib.suppress(CourseError):  # one layer of several; `aisecops doctor` says if it is missing
        seccomp.install()


def _give_up_rights() -> None:
    """Empty all sets of capabilities(7): whoever makes a user namespace has every right inside it."""
    header = struct.pack("=Ii", 0x20080522, 0)  # version 3, this process
    _call("capset", header, bytes(24))


def die_with_parent() -> None:
    """Have the kernel kill this process when the one that forked it ends, however that ends."""
    _call("prctl", _PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def works() -> str:
    """Try it in a fork; return an empty text if a process can be locked in, else what is missing."""
    return _tried(lambda folder, keep: enter(folder, keep=[keep]))


def filters() -> str:
    """Try the filter of system calls in a fork; return an empty text if it works, else what is missing."""
    return _tried(lambda folder, keep: seccomp.install())


def _tried(step: Callable[[Path, int], None]) -> str:
    import tempfile

    reading, writing = os.pipe()
    with tempfile.TemporaryDirectory() as folder:
        pid = os.fork()
        if pid == 0:
            try:
                os.close(reading)
                step(Path(folder), writing)
                os.write(writing, b"locked in")
            except BaseException as error:
                os.write(writing, str(error).encode())
            os._exit(0)
        os.close(writing)
        with os.fdopen(reading) as told:
            said = told.read()
        os.waitpid(pid, 0)
    return "" if said == "locked in" else said or "the process died"


def _call(name: str, *arguments: object) -> None:
    library = ctypes.CDLL(None, use_errno=True)
    if getattr(library, name)(*arguments) != 0:
        code = ctypes.get_errno()
        hint = (
            "; allow unprivileged user namespaces, or grade as root"
            if code in (errno.EPERM, errno.ENOSPC)
            else ""
        )
        raise SandboxError(
            f"this machine refuses {name}, which locks submissions in ({os.strerror(code)}){hint}"
        )


def _mount(source: str | None, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    texts = [text and text.encode() for text in (source, target, kind)]
    _call("mount", *texts, ctypes.c_ulong(flags), data and data.encode())


def _raise_loopback() -> None:
    """Let servers and clients inside talk to each other."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        up = struct.pack("16sH14x", b"lo", 0x41)  # IFF_UP, IFF_RUNNING; see netdevice(7)
        fcntl.ioctl(any_socket, 0x8914, up)  # SIOCSIFFLAGS


def _become_first(keep: Sequence[int]) -> None:
    """Go on as process 1 of the new world; the process that was stays outside and waits."""
    parent = os.getpid()
    pid = os.fork()
    if pid:
        for descriptor in keep:
            os.close(descriptor)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, 0)
        os._exit(0)
    die_with_parent()
    if os.getppid() not in (0, parent):  # it died in the meantime
        os._exit(1)


def _build_world(folder: Path, limits: Limits) -> None:
    """Put together a file system of what is needed, and move into it."""
    if _PIVOT_ROOT is None:
        raise SandboxError(
            f"submissions cannot be locked in on {platform.machine()}: grade on x86_64 or aarch64"
        )
    _mount(None, "/", None, _REC | _PRIVATE)
    readable = _needed()
    # Opened first: the new root hides what lies below its place.
    opened = {path: os.open(path, os.O_PATH) for path in readable if os.path.exists(path)}
    devices = {
        name: os.open(f"/dev/{name}", os.O_PATH) for name in ("null", "zero", "full", "random", "urandom")
    }
    work = os.open(folder, os.O_PATH)
    new = "/tmp"
    _mount("tmpfs", new, "tmpfs", _NOSUID | _NODEV, f"size={limits.scratch},mode=755")
    for path, descriptor in opened.items():
        _bind(descriptor, new + path, writable=False)
    for name in ("bin", "sbin", "lib", "lib64"):
        if os.path.islink(f"/usr/../{name}"):
            os.symlink(f"usr/{name}", f"{new}/{name}")
    for name, descriptor in devices.items():
        _bind(descriptor, f"{new}/dev/{name}", writable=True)
    for place in ("/tmp", "/dev/shm"):
        os.makedirs(new + place, exist_ok=True)
        os.chmod(new + place, 0o1777)
    _bind(work, new + WORK, writable=True)
    os.makedirs(f"{new}/proc")
    with contextlib.suppress(SandboxError):  # a container may refuse a user's own /proc; nothing needs it
        _mount("proc", f"{new}/proc", "proc", _NOSUID | _NODEV | 8)
    os.chdir(new)
    library = ctypes.CDLL(None, use_errno=True)
    if library.syscall(_PIVOT_ROOT, b".", b".") != 0:
        raise SandboxError(
            f"this machine refuses pivot_root ({os.strerror(ctypes.get_errno())}): grade outside a chroot"
        )
    _call("umount2", b".", _DETACH)
    socket.sethostname("sandbox")
    os.chdir(WORK)


def _needed() -> list[str]:
    """Return the places that Python and its libraries read, outermost first."""
    package = Path(__file__).resolve().parents[1]
    python = {sys.prefix, sys.base_prefix, os.path.realpath(sys.prefix), os.path.realpath(sys.base_prefix)}
    python |= {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    system = {"/usr", "/etc/ld.so.cache", "/etc/fonts", "/etc/alternatives", "/etc/localtime"}
    system |= {f"/{name}" for name in ("bin", "sbin", "lib", "lib64") if not os.path.islink(f"/{name}")}
    return sorted(python | system | {str(package)}, key=lambda path: (path.count("/"), path))


def _bind(descriptor: int, target: str, *, writable: bool) -> None:
    source = f"/proc/self/fd/{descriptor}"
    if os.path.isdir(source):
        with contextlib.suppress(FileExistsError, OSError):
            os.makedirs(target)
    elif not os.path.exists(target):
        os.makedirs(os.path.dirname(target), exist_ok=True)
        Path(target).touch()
    _mount(source, target, None, _BIND | _REC)
    if not writable:
        held = os.statvfs(target).f_flag
        kept = sum(flag for bit, flag in _KEPT.items() if held & bit)
        _mount(None, target, None, _REMOUNT | _BIND | _RDONLY | kept | _NOSUID)
    os.close(descriptor)


def _close_all_but(keep: Sequence[int]) -> None:
    nowhere = os.open("/dev/null", os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)
    last = 3
    for descriptor in (*sorted(keep), resource.getrlimit(resource.RLIMIT_NOFILE)[0]):
        os.closerange(last, min(descriptor, 1 << 16))
        last = descriptor + 1


def _clean_environment() -> None:
    os.environ.clear()
    os.environ.update(
        PATH="/usr/bin:/bin", HOME=WORK, TMPDIR="/tmp", LANG="C.UTF-8", MPLCONFIGDIR="/tmp",
        OMP_NUM_THREADS="1", PYTHONDONTWRITEBYTECODE="1",
    )  # fmt: skip


def _limit(limits: Limits) -> None:
    settings = {
        resource.RLIMIT_AS: limits.memory,
        resource.RLIMIT_CPU: limits.cpu_s,
        resource.RLIMIT_NPROC: limits.processes,
        resource.RLIMIT_FSIZE: limits.file,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NOFILE: 256,
    }
    for which, most in settings.items():
        hard = resource.getrlimit(which)[1]
        allowed = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(which, (allowed, allowed))
    # A file that grows too large raises an error instead of ending the process.
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
