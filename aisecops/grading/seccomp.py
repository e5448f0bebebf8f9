"""A filter of system calls: what a learner's process never needs, and what has often let one out.

The filter is a program of classic BPF (seccomp(2), and bpf(4) for the instructions) that the kernel runs at
each call of this process and of all that it starts; nothing takes it off again. It is a list of what is
refused, so that libraries find the rest as they expect it. A refused call fails with EPERM.
"""

import ctypes
import errno
import os
import platform
import socket
import struct

from aisecops.course import CourseError

# The numbers on x86_64 and on aarch64; None where the call does not exist.
REFUSED: dict[str, tuple[int, int | None]] = {
    # other processes
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "pidfd_getfd": (438, 438),
    "kcmp": (312, 272),
    # mounts and namespaces
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "open_tree_attr": (467, 467),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "unshare": (272, 97),
    "setns": (308, 268),
    "open_by_handle_at": (304, 265),
    "fanotify_init": (300, 262),
    # parts of the kernel that have often been broken, or that no limit counts
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "personality": (135, 92),
    "modify_ldt": (154, None),
    # the machine
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "acct": (163, 89),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "syslog": (103, 116),
    "iopl": (172, None),
    "ioperm": (173, None),
}
# Refused for some arguments only.
_CLONE, _CLONE3, _SOCKET, _IOCTL = (56, 220), (435, 435), (41, 198), (16, 29)
_FAMILIES = (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6)  # within a network of its own

_NEW_NAMESPACES = 0x7E020000
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C  # they type into a terminal

MACHINES = ("x86_64", "aarch64")
_AUDIT_ARCH = (0xC000003E, 0xC00000B7)
_X32 = 0x40000000  # from here on, x86_64 has its calls a second time, with short pointers

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCH, _FIRST, _SECOND = 0, 4, 16, 24  # offsets in struct seccomp_data; arguments: the low half
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000

_SET_SECCOMP, _MODE_FILTER, _NO_NEW_PRIVS = 22, 2, 38


def program(machine: str) -> bytes:
    """Return the filter for a machine (``platform.machine()``), as the kernel reads it.

    Raises:
        CourseError: there is none for this machine.
    """
    if machine not in MACHINES:
        raise CourseError(f"no filter of system calls for {machine}: grade on {' or '.join(MACHINES)}")
    which = MACHINES.index(machine)
    refuse = _step(_RETURN, _ERRNO | errno.EPERM)
    # A step says how many to skip if its condition holds, and if not.
    steps = [
        _step(_LOAD, _ARCH),
        _step(_EQUAL, _AUDIT_ARCH[which], 1, 0),
        _step(_RETURN, _KILL),
        _step(_LOAD, _NUMBER),
    ]
    if machine == "x86_64":
        steps += [_step(_AT_LEAST, _X32, 0, 1), refuse]
    for numbers in REFUSED.values():
        if (number := numbers[which]) is not None:
            steps += [_step(_EQUAL, number, 0, 1), refuse]
    # Its flags lie in memory, where no filter can look; libraries fall back to clone.
    steps += [_step(_EQUAL, _CLONE3[which], 0, 1), _step(_RETURN, _ERRNO | errno.ENOSYS)]
    allow = _step(_RETURN, _ALLOW)
    families = [_step(_EQUAL, family, skip, 0) for family, skip in zip(_FAMILIES, (3, 2, 1), strict=True)]
    looks = {
        _CLONE: [_step(_LOAD, _FIRST), _step(_ANY_BIT, _NEW_NAMESPACES, 0, 1)],
        _SOCKET: [_step(_LOAD, _FIRST), *families],
        _IOCTL: [_step(_LOAD, _SECOND), _step(_EQUAL, _TIOCSTI, 1, 0), _step(_EQUAL, _TIOCLINUX, 0, 1)],
    }
    for call, look in looks.items():
        steps += [_step(_EQUAL, call[which], 0, len(look) + 2), *look, refuse, allow]
    return b"".join([*steps, allow])


def _step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)


def install() -> None:
    """Put the filter on this process, which must have one thread; new privileges are refused, too.

    Raises:
        CourseError: the kernel or the machine has no such filters.
    """
    code = program(platform.machine())
    held = ctypes.create_string_buffer(code, len(code))
    header = struct.pack("@HP", len(code) // 8, ctypes.addressof(held))
    libc = ctypes.CDLL(None, use_errno=True)
    for option, first, second in ((_NO_NEW_PRIVS, 1, 0), (_SET_SECCOMP, _MODE_FILTER, header)):
        passed = ctypes.c_char_p(second) if isinstance(second, bytes) else ctypes.c_ulong(second)
        if libc.prctl(option, ctypes.c_ulong(first), passed, ctypes.c_ulong(0), ctypes.c_ulong(0)) != 0:
            raise CourseError(
                f"the kernel takes no filter of system calls ({os.strerror(ctypes.get_errno())}):"
                " grade on one with CONFIG_SECCOMP_FILTER"
            )
