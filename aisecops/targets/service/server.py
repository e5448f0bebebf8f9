"""The process: ``aisecops serve assistant``."""

import ipaddress
import os
import socket
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial

from aisecops.course import CourseError
from aisecops.targets.service.voice import Application, Plain, Voice

KEYS = "AISECOPS_KEYS"  # environment variable: keys, with commas or spaces between


def serve(host: str, port: int, model: str, keys: Iterable[str]) -> None:
    """Offer the models and assistants over HTTP until somebody presses Ctrl-C.

    Args:
        host: the address to listen on. One that other machines reach needs keys.
        port: the port; 0 takes a free one.
        model: the checkpoint that is loaded first.
        keys: which keys clients may use, beside those that the environment variable ``AISECOPS_KEYS`` names.

    Raises:
        CourseError: no such checkpoint, an address without keys that others reach, or a port that is taken.
    """
    allowed = _keys(keys)
    listener = _listen(host, port, bool(allowed))
    with listener:
        import torch
        import uvicorn

        from aisecops.targets.lm import load
        from aisecops.targets.service.app import build

        load(model)  # now rather than later, so that a mistake shows here
        torch.set_num_threads(1)  # a model this small is no faster on two
        offered = voices(model)
        server = uvicorn.Server(
            uvicorn.Config(
                build(offered, allowed),
                log_level="critical",  # the service logs what matters; this is about broken connections
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=3,
            )
        )
        print(f"{', '.join(offered)} at {_address(listener)}/v1; Ctrl-C stops", flush=True)
        with suppress(KeyboardInterrupt):  # which uvicorn passes on once it has stopped
            server.run(sockets=[listener])
        print("stopped")


def voices(model: str) -> dict[str, Callable[[], Voice]]:
    """Return what makes each voice, by name: the checkpoints, and the assistants on one of them."""
    from aisecops.targets.assistant import assistants
    from aisecops.targets.lm import checkpoint

    offered: dict[str, Callable[[], Voice]] = {name: partial(_plain, name) for name in checkpoint.names()}
    for name in assistants():
        offered[name.lower().replace(" ", "-")] = partial(_application, name, model)
    return offered


def _plain(name: str) -> Voice:
    from aisecops.targets.lm import load

    return Plain(load(name))


def _application(name: str, model: str) -> Voice:
    from aisecops.targets.lm import load

    return Application(name, load(model))


def _keys(given: Iterable[str]) -> list[str]:
    keys = [*given, *os.environ.get(KEYS, "").replace(",", " ").split()]
    if not all(key.isascii() and key.isprintable() and key == key.strip() != "" for key in keys):
        raise CourseError("a key is printable ASCII without spaces around it; give another one with --key")
    return keys


def _listen(host: str, port: int, keys: bool) -> socket.socket:
    """Return a socket that listens."""
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError):
        raise CourseError(f"there is no address {host!r}; give one of this machine with --host") from None
    if not keys and not ipaddress.ip_address(address[0]).is_loopback:
        raise CourseError(
            f"other machines can reach {host}: give keys with --key or {KEYS}, or stay on 127.0.0.1"
        )
    try:
        return socket.create_server(address[:2], family=family, backlog=512)
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        raise CourseError(f"cannot listen on {host}:{port}: {reason}; choose another --port") from None


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"
