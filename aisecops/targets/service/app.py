"""The routes. The event loop only moves bytes: a thread of its own does all that the models do."""

import asyncio
import base64
import hmac
import json
import logging
import secrets
import struct
import time
from collections.abc import AsyncIterator, Callable, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, StreamingResponse
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aisecops.course import CourseError
from aisecops.targets.service import wire
from aisecops.targets.service.chat import Scribe, order
from aisecops.targets.service.voice import Voice
from aisecops.targets.service.wire import Failure

T = TypeVar("T")

_LOG = logging.getLogger(__name__)

BODY = 2**20  # most bytes of a request: the model reads a few thousand
_HEALTH = "/health"  # needs no key
_ERRORS: dict[int | str, dict[str, Any]] = {
    "4XX": {"model": wire.Error, "description": "The request is at fault."},
    "5XX": {"model": wire.Error, "description": "The service is at fault."},
}
_CHAT: dict[int | str, dict[str, Any]] = _ERRORS | {
    200: {
        "model": wire.ChatCompletion,
        "description": "The answer; with `stream` as server-sent events, the last one `data: [DONE]`.",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
}


def build(voices: Mapping[str, Callable[[], Voice]], keys: Sequence[str] = ()) -> FastAPI:
    """Return the service.

    Args:
        voices: by model name, what makes the voice; called once, when the name is first used.
        keys: what clients may give as ``Authorization: Bearer``; none lets everybody in.
    """
    worker = _Worker(voices)
    born = int(time.time())

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        worker.stop()

    # The pages /docs and /redoc load scripts from elsewhere; the schema at /openapi.json says the same.
    app = FastAPI(
        title="AI SecOps Lab: assistants", version="1", docs_url=None, redoc_url=None, lifespan=lifespan
    )
    app.add_middleware(_Gate, keys=keys)
    for kind, handler in _HANDLERS.items():
        app.add_exception_handler(kind, handler)

    @app.get(_HEALTH, responses=_ERRORS)
    async def health() -> dict[str, str]:
        """Say that the service runs."""
        return {"status": "ok"}

    @app.get("/v1/models", responses=_ERRORS)
    async def models() -> wire.Models:
        """List the models."""
        return wire.Models(data=[wire.Model(id=name, created=born) for name in voices])

    @app.get("/v1/models/{name}", responses=_ERRORS)
    async def model(name: str) -> wire.Model:
        """Describe one model."""
        worker.check(name)
        return wire.Model(id=name, created=born)

    @app.post("/v1/chat/completions", response_model=None, responses=_CHAT)
    async def chat(request: Request, body: wire.ChatRequest) -> Response:
        """Go on with a conversation."""
        wanted = order(body)
        voice = await worker.voice(body.model)
        scribe = Scribe(body, await worker.run(voice.count, wanted.messages), voice.show)
        seed = secrets.randbits(63) if body.seed is None else body.seed
        # Each answer has a seed of its own, the first one the request's.
        answers = [worker.steps(voice.say(wanted, (seed + k) % 2**63)) for k in range(body.n or 1)]
        if body.stream:
            return StreamingResponse(_events(scribe, answers), media_type="text/event-stream")
        choices = [
            await scribe.choice(index, _while_connected(request, answer))
            for index, answer in enumerate(answers)
        ]
        return JSONResponse(scribe.completion(choices).model_dump())

    @app.post("/v1/embeddings", responses=_ERRORS)
    async def embeddings(request: Request, body: wire.EmbeddingRequest) -> wire.Embeddings:
        """Turn texts into vectors."""
        voice = await worker.voice(body.model)
        single = isinstance(body.input, str) or isinstance(body.input[0], int)
        items: Any = [body.input] if single else body.input
        found = [
            one async for one in _while_connected(request, worker.steps(voice.embed(item) for item in items))
        ]
        read = sum(length for _, length in found)
        return wire.Embeddings(
            data=[
                wire.Embedding(index=index, embedding=_encoded(vector, body.encoding_format))
                for index, (vector, _) in enumerate(found)
            ],
            model=body.model,
            usage=wire.EmbeddingUsage(prompt_tokens=read, total_tokens=read),
        )

    # Which models there are is part of the schema, so that it says all that can be known about a request.
    schemas = app.openapi()["components"]["schemas"]
    for request in ("ChatRequest", "EmbeddingRequest"):
        schemas[request]["properties"]["model"]["enum"] = list(voices)
    return app


class _Worker:
    """The one thread that runs the models, which nobody promises to be thread-safe."""

    def __init__(self, voices: Mapping[str, Callable[[], Voice]]) -> None:
        self._makers, self._voices = voices, dict[str, Voice]()
        self._thread = ThreadPoolExecutor(1, "model")

    def check(self, name: str) -> None:
        """Refuse a name that no model has."""
        if name not in self._makers:
            there = ", ".join(self._makers)
            raise Failure(
                404, f"There is no model {name[:80]!r}; there are: {there}.", "model", "model_not_found"
            )

    async def voice(self, name: str) -> Voice:
        """Return the voice of a model, made when it is first asked for."""
        self.check(name)
        if name not in self._voices:
            self._voices[name] = await self.run(self._makers[name])
        return self._voices[name]

    async def run(self, task: Callable[..., T], *arguments: Any) -> T:
        """Return what a task returns, run in the thread."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, task, *arguments)

    async def steps(self, things: Generator[T, None, None]) -> AsyncIterator[T]:
        """Yield things as the thread makes them, a step for each client in turn, until a client leaves."""
        try:
            while (thing := await self.run(next, things, None)) is not None:
                yield thing
        finally:
            with suppress(RuntimeError):  # the service has stopped, and all ends anyway
                self._thread.submit(things.close)  # there, since a step may still run

    def stop(self) -> None:
        """Let the step that runs be the last."""
        self._thread.shutdown(wait=False, cancel_futures=True)


class _GoneError(Exception):
    """The client has left."""


async def _while_connected(request: Request, things: AsyncIterator[T]) -> AsyncIterator[T]:
    async for thing in things:
        if await request.is_disconnected():
            raise _GoneError
        yield thing


async def _events(scribe: Scribe, answers: list[AsyncIterator[Any]]) -> AsyncIterator[str]:
    """Yield the server-sent events of a stream. Starlette ends this when the client leaves."""
    try:
        for index, answer in enumerate(answers):
            async for chunk in scribe.chunks(index, answer):
                yield _event(chunk)
        if usage := scribe.last():
            yield _event(usage)
    except Exception as error:
        # The status has gone out, so the error follows as an event; clients look for it.
        yield _event(_body(_failure(error)))
    else:
        yield "data: [DONE]\n\n"


def _event(content: dict[str, Any]) -> str:
    return f"data: {json.dumps(content)}\n\n"  # ASCII: some clients take U+2028 for the end of a line


def _encoded(vector: list[float], encoding: str | None) -> list[float] | str:
    if encoding == "base64":
        return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
    return vector


class _Gate:
    """Lets in who has a key, and no more bytes than a request needs."""

    def __init__(self, app: ASGIApp, keys: Sequence[str]) -> None:
        self.app, self.keys = app, [key.encode() for key in keys]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        try:
            headers = Headers(scope=scope)
            if self.keys and scope["path"] != _HEALTH:
                self._check_key(headers.get("authorization", ""))
            self._check_size(int(headers.get("content-length", "0")))
        except Failure as failure:
            return await _response(failure)(scope, receive, send)
        size = 0

        async def counted() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            self._check_size(size)
            return message

        return await self.app(scope, counted, send)

    def _check_key(self, header: str) -> None:
        scheme, _, given = header.partition(" ")
        known = [hmac.compare_digest(given.strip().encode(), key) for key in self.keys]
        if scheme.lower() != "bearer" or not any(known):
            raise Failure(
                401,
                "This service needs a key that it knows: send it as 'Authorization: Bearer KEY'.",
                code="invalid_api_key",
                headers={"WWW-Authenticate": "Bearer"},
            )

    def _check_size(self, size: int) -> None:
        if size > BODY:
            raise Failure(413, f"A request has at most {BODY} bytes.", code="request_too_large")


# -- errors


def _failure(error: Exception) -> Failure:
    """Return what the client is told of an error. One that nobody foresaw is for the log alone."""
    if isinstance(error, Failure):
        return error
    if isinstance(error, CourseError):
        return Failure(500, str(error))
    _LOG.error("a request failed", exc_info=error)
    return Failure(500, "The service made a mistake; its log says which.")


def _body(failure: Failure) -> dict[str, Any]:
    kind = "invalid_request_error" if failure.status_code < 500 else "server_error"
    return {
        "error": {
            "message": failure.detail,
            "type": kind,
            "param": failure.param,
            "code": failure.code,
        }
    }


def _response(failure: Failure) -> JSONResponse:
    return JSONResponse(_body(failure), failure.status_code, failure.headers)


async def _on_http(request: Request, error: Exception) -> Response:
    """Answer what a route refuses, and what no route takes."""
    assert isinstance(error, HTTPException)
    if isinstance(error, Failure):
        return _response(error)
    text = f"{error.detail}: {request.method} {request.url.path}"
    return _response(Failure(error.status_code, text, headers=error.headers))


async def _on_malformed(_: Request, error: Exception) -> Response:
    """Answer a request that does not have the form it should have."""
    assert isinstance(error, RequestValidationError)
    # A union fails once for each member; the one that was meant has the right type, or gets farther.
    worst = max(error.errors(), key=lambda one: (not one["type"].endswith("_type"), len(one["loc"])))
    reason = worst.get("ctx", {}).get("error", "") if worst["type"] == "json_invalid" else ""
    place = "" if reason else _place(worst["loc"])
    text = f"{place or 'body'}: {worst['msg']}{f' ({reason})' if reason else ''}."
    if not place and not reason:
        text += " Send JSON, with the header 'Content-Type: application/json'."
    return _response(Failure(400, text, place or None, "invalid_value"))


def _place(location: Sequence[int | str]) -> str:
    """Return a place such as ``messages[0].content``; names of a union's members are left out."""
    place = ""
    for step in location[1:]:
        if isinstance(step, int):
            place += f"[{step}]"
        elif step.isidentifier() and step != "str":
            place += f".{step}" if place else step
    return place


async def _on_gone(_: Request, __: Exception) -> Response:
    return Response(status_code=499)  # nobody reads it


async def _on_error(_: Request, error: Exception) -> Response:
    return _response(_failure(error))


_HANDLERS: dict[type[Exception], Callable[[Request, Exception], Any]] = {
    HTTPException: _on_http,
    RequestValidationError: _on_malformed,
    CourseError: _on_error,
    _GoneError: _on_gone,
    Exception: _on_error,
}
