"""The assistants over HTTP, as the clients that people have meet them."""

import base64
import json
import math
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
import torch
import uvicorn
from typer.testing import CliRunner

from aisecops.cli import app as command
from aisecops.course import CourseError
from aisecops.targets.assistant import assistant
from aisecops.targets.lm import ROLES, LanguageModel, Message, Token
from aisecops.targets.lm.network import Config, Network
from aisecops.targets.service import app as service
from aisecops.targets.service.voice import Application, Plain, Voice

KEYS = ("sesame", "open-up")
HELLO = [{"role": "user", "content": "Say hello."}]
LOOKUP = {"type": "function", "function": {"name": "lookup", "description": "Find a record.", "parameters": {"type": "object"}}}  # fmt: skip


class Parrot(LanguageModel):
    """Says the line it was told last, as a tool call where that begins with "call "; or laughs for ever."""

    laughs = threading.Event()  # set when it begins to laugh
    left = threading.Event()  # and when nobody listens any more

    def stream(
        self,
        messages: Sequence[Message] | Any,
        max_tokens: int = 128,
        temperature: float = 0.0,
        seed: int = 0,
    ) -> Iterator[Token]:
        self.heard = tuple(messages)
        text = messages[-1].text.partition("\n")[0]
        if text == "Laugh for ever.":
            return self._laugh()
        role = "call" if text.startswith("call ") else "assistant"
        ids = self.target(text.removeprefix("call "), role)[: max_tokens + 1]
        return iter([self._token(id) for id in ids])

    def _token(self, id: int) -> Token:
        return Token(
            id, self.tokenizer.show(id), -0.5, ((id, -0.5), (ROLES["end"], -1.0), (300, -float("inf")))
        )

    def _laugh(self) -> Iterator[Token]:
        try:
            yield self._token(ROLES["assistant"])
            self.laughs.set()
            while True:
                yield self._token(self.tokenizer.encode("ha")[0])
        finally:
            self.left.set()


@contextmanager
def running(keys: Sequence[str] = (), **more: Callable[[], Voice]) -> Iterator[str]:
    """A service in a thread, with an untrained network, a parrot and an application; gives its address."""
    torch.manual_seed(0)
    tiny = LanguageModel("untrained", Network(Config(width=32, layers=1, heads=2, hidden=32, context=96)))
    voices = {
        "base": lambda: Plain(tiny),
        "parrot": lambda: Plain(PARROT),
        "help-desk": lambda: Application("help desk", PARROT),
    } | more
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        server = uvicorn.Server(uvicorn.Config(service.build(voices, keys), log_level="critical"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


PARROT = Parrot("parrot", Network(Config(width=32, layers=1, heads=2, hidden=32)))


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with running() as address:
        yield address


@pytest.fixture(scope="module")
def web(address: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=address) as web:
        yield web


@pytest.fixture(scope="module")
def client(address: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0) as client:
        yield client


def say(client: openai.OpenAI, text: str, **options: Any) -> Any:
    """The parrot's whole answer to a text."""
    messages = [{"role": "user", "content": text}]
    return client.chat.completions.create(model="parrot", messages=messages, **options)


# -- the openai client, unmodified


def test_an_answer_is_the_models_own(client: openai.OpenAI) -> None:
    done = client.chat.completions.create(model="base", messages=HELLO, max_tokens=5, seed=3, temperature=1)
    assert done.model == "base"
    assert done.choices[0].finish_reason == "length"
    again = client.chat.completions.create(
        model="base", messages=HELLO, max_completion_tokens=5, seed=3, temperature=1
    )
    assert again.choices[0].message.content == done.choices[0].message.content
    assert done.usage.completion_tokens == 5
    assert done.usage.total_tokens == done.usage.prompt_tokens + 5


def test_usage_counts_the_tokens_that_the_model_reads(client: openai.OpenAI) -> None:
    usage = say(client, "hello there").usage
    assert usage.prompt_tokens == len(PARROT.prompt("hello there").tokens)
    assert usage.completion_tokens == len(PARROT.target("hello there")) - 1


def test_without_a_seed_draws_differ_and_with_one_they_do_not(client: openai.OpenAI) -> None:
    def answers(**options: Any) -> list[str | None]:
        done = client.chat.completions.create(
            model="base", messages=HELLO, max_tokens=8, temperature=1, n=3, **options
        )
        return [choice.message.content for choice in done.choices]

    assert len({*answers(), *answers()}) == 6
    first = answers(seed=7)
    assert answers(seed=7) == first
    assert len(set(first)) == 3


def test_a_stream_says_the_same_as_a_whole_answer(client: openai.OpenAI) -> None:
    text = "Zürich costs 12 € a day, 你好 and 🦜!"
    messages = [{"role": "user", "content": text}]
    chunks = list(
        client.chat.completions.create(
            model="parrot", messages=messages, stream=True, n=2, stream_options={"include_usage": True}
        )
    )
    for index in (0, 1):
        mine = [chunk.choices[0] for chunk in chunks if chunk.choices and chunk.choices[0].index == index]
        assert "".join(choice.delta.content or "" for choice in mine) == text
        assert mine[0].delta.role == "assistant"
        assert [choice.finish_reason for choice in mine if choice.finish_reason] == ["stop"]
        assert not any("�" in (choice.delta.content or "") for choice in mine)
    assert chunks[-1].choices == []
    assert chunks[-1].usage.completion_tokens == 2 * say(client, text).usage.completion_tokens
    assert len({chunk.id for chunk in chunks}) == 1


def test_a_stream_ends_with_done(web: httpx.Client) -> None:
    body = {"model": "parrot", "messages": HELLO, "stream": True}
    response = web.post("/v1/chat/completions", json=body)
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.text.endswith("data: [DONE]\n\n")


def test_token_probabilities(client: openai.OpenAI) -> None:
    done = client.chat.completions.create(
        model="base", messages=HELLO, max_tokens=4, logprobs=True, top_logprobs=5
    )
    content = done.choices[0].logprobs.content
    assert b"".join(bytes(token.bytes or []) for token in content).decode("utf-8", "replace") == (
        done.choices[0].message.content
    )
    for token in content:
        assert len(token.top_logprobs) == 5
        assert token.logprob == token.top_logprobs[0].logprob < 0  # greedy: the likeliest
    plain = say(client, "no logprobs")
    assert plain.choices[0].logprobs is None


def test_probabilities_in_a_stream_cover_the_text_once(client: openai.OpenAI) -> None:
    text = "12 € please"
    chunks = say(client, text, stream=True, logprobs=True, top_logprobs=2)
    tokens = [token for chunk in chunks if chunk.choices[0].logprobs for token in chunk.choices[0].logprobs.content]  # fmt: skip
    assert b"".join(bytes(token.bytes) for token in tokens).decode() == text
    assert [alternative.bytes for alternative in tokens[0].top_logprobs][1] is None  # the end is no text
    json.dumps([token.model_dump() for token in tokens], allow_nan=False)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("stop", "left"), [("three", "one two "), (["x", "o thr"], "one tw"), (["four!"], "one two three four")])  # fmt: skip
def test_stops_end_an_answer_and_are_no_part_of_it(
    client: openai.OpenAI, stop: Any, left: str, stream: bool
) -> None:
    answer = say(client, "one two three four", stop=stop, stream=stream)
    if stream:
        assert "".join(chunk.choices[0].delta.content or "" for chunk in answer) == left
    else:
        assert answer.choices[0].message.content == left
        assert answer.choices[0].finish_reason == "stop"


def test_content_in_parts_and_data_among_them(client: openai.OpenAI) -> None:
    parts = [{"type": "text", "text": "Summarise."}, {"type": "text", "text": "The branch is open."}]
    client.chat.completions.create(model="parrot", messages=[{"role": "user", "content": parts}])
    assert PARROT.heard[0].text == "Summarise.\nThe branch is open."
    parts[1]["data"] = True
    client.chat.completions.create(model="parrot", messages=[{"role": "user", "content": parts}])
    assert [(piece.text, piece.data) for piece in PARROT.heard[0].pieces] == [
        ("Summarise.", False),
        ("The branch is open.", True),
    ]


def test_a_tool_is_offered_called_and_answered(client: openai.OpenAI) -> None:
    messages: list[Any] = [
        {"role": "system", "content": "You are Meri."},
        {"role": "user", "content": 'call lookup(record="order 4821", exact=True)'},
    ]
    mail = {"type": "function", "function": {"name": "send_email"}}
    done = client.chat.completions.create(model="parrot", messages=messages, tools=[LOOKUP, mail], logprobs=True)  # fmt: skip
    assert PARROT.heard[0].text == "You are Meri. Tools: lookup, send_email."
    choice = done.choices[0]
    assert choice.finish_reason == "tool_calls"
    assert choice.message.content is None
    call = choice.message.tool_calls[0]
    assert call.function.name == "lookup"
    assert json.loads(call.function.arguments) == {"record": "order 4821", "exact": True}
    assert "".join(token.token for token in choice.logprobs.content).startswith("lookup(")

    messages += [
        choice.message,
        {"role": "tool", "tool_call_id": call.id, "content": "Order 4821 is shipped."},
    ]
    done = client.chat.completions.create(model="parrot", messages=messages, tools=[LOOKUP])
    assert [(m.role, m.text) for m in PARROT.heard[2:]] == [
        ("call", 'lookup(record="order 4821", exact=True)'),
        ("tool", "Order 4821 is shipped."),
    ]
    assert done.choices[0].message.content == "Order 4821 is shipped."


def test_a_tool_call_in_a_stream(client: openai.OpenAI) -> None:
    chunks = list(say(client, 'call lookup(record="ticket 7")', tools=[LOOKUP], stream=True))
    calls = [call for chunk in chunks for call in chunk.choices[0].delta.tool_calls or []]
    assert [(call.index, call.function.name) for call in calls] == [(0, "lookup")]
    assert json.loads(calls[0].function.arguments) == {"record": "ticket 7"}
    assert not any(chunk.choices[0].delta.content for chunk in chunks)
    assert chunks[-1].choices[0].finish_reason == "tool_calls"


NO_CALLS = {
    "tools that nobody offered": ('lookup(record="x")', {}),
    "tools that are switched off": ('lookup(record="x")', {"tools": [LOOKUP], "tool_choice": "none"}),
    "a call that is none": ("lookup(record=", {"tools": [LOOKUP]}),
    "a number that JSON does not have": ("lookup(record=1e999)", {"tools": [LOOKUP]}),
    "code": ("lookup(record=open('x'))", {"tools": [LOOKUP]}),
}


@pytest.mark.parametrize("case", NO_CALLS)
def test_what_is_no_tool_call_is_text(client: openai.OpenAI, case: str) -> None:
    text, options = NO_CALLS[case]
    for stream in (False, True):
        answer = say(client, f"call {text}", stream=stream, **options)
        if stream:
            assert "".join(chunk.choices[0].delta.content or "" for chunk in answer) == text
        else:
            assert answer.choices[0].message.content == text
            assert answer.choices[0].finish_reason == "stop"


def test_tools_without_a_system_text(client: openai.OpenAI) -> None:
    say(client, "hello", tools=[LOOKUP])
    assert (PARROT.heard[0].role, PARROT.heard[0].text) == ("system", "Tools: lookup.")


def test_embeddings(client: openai.OpenAI) -> None:
    texts = ["The card is blue.", "Lunch is at noon."]
    both = client.embeddings.create(model="base", input=texts)  # the client asks for base64
    assert [one.index for one in both.data] == [0, 1]
    assert math.isclose(sum(x * x for x in both.data[0].embedding), 1, rel_tol=1e-5)
    tokens = [PARROT.tokenizer.encode(text) for text in texts]
    assert both.usage.prompt_tokens == sum(map(len, tokens))
    single = client.embeddings.create(model="base", input=texts[0], encoding_format="float")
    assert single.data[0].embedding == pytest.approx(both.data[0].embedding, abs=1e-6)
    for given, count in ((tokens, 2), (tokens[0], 1)):
        by_id = client.embeddings.create(model="base", input=given)
        assert len(by_id.data) == count
        assert by_id.data[0].embedding == pytest.approx(both.data[0].embedding, abs=1e-6)


def test_embeddings_in_base64_are_32_bit_floats(web: httpx.Client) -> None:
    body = {"model": "base", "input": "a", "encoding_format": "base64"}
    data = web.post("/v1/embeddings", json=body).json()["data"][0]["embedding"]
    assert len(struct.unpack("<32f", base64.b64decode(data))) == 32


def test_models(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["base", "parrot", "help-desk"]
    assert client.models.retrieve("parrot").id == "parrot"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("gpt-9")


def test_an_application_answers_as_it_does_without_the_service(client: openai.OpenAI) -> None:
    text = 'call lookup(record="the Oakwood branch")'
    here = assistant("help desk", PARROT).ask(text)
    assert len(here.replies) == 2  # the tool ran, on the side of the service
    done = client.chat.completions.create(
        model="help-desk", messages=[{"role": "user", "content": text}], logprobs=True
    )
    choice = done.choices[0]
    assert (choice.message.content, choice.finish_reason) == (here.text, "stop")
    assert "".join(token.token for token in choice.logprobs.content) == here.text
    assert done.usage.completion_tokens == sum(len(reply.tokens) - 1 for reply in here.replies)


def test_an_application_remembers_what_the_client_sends_along(client: openai.OpenAI) -> None:
    messages = [
        {"role": "user", "content": "My name is Ada."},
        {"role": "assistant", "content": "Hello Ada."},
        {"role": "user", "content": "Say goodbye."},
    ]
    done = client.chat.completions.create(model="help-desk", messages=messages, stop="bye")
    assert [message.text for message in PARROT.heard[1:3]] == ["My name is Ada.", "Hello Ada."]
    assert done.choices[0].message.content == "Say good"


@pytest.mark.parametrize("extra", [{"messages": [{"role": "system", "content": "Obey."}, *HELLO]}, {"messages": [{"role": "assistant", "content": "Hi."}]}, {"tools": [LOOKUP]}])  # fmt: skip
def test_an_application_keeps_its_system_text_and_tools_to_itself(client: openai.OpenAI, extra: Any) -> None:
    with pytest.raises(openai.BadRequestError, match="a system text and tools of its own"):
        client.chat.completions.create(**({"model": "help-desk", "messages": HELLO} | extra))


# What garak's OpenAICompatible generator and PyRIT's OpenAIChatTarget send, beside model and messages.
SCANNERS = {
    "garak": {"n": 1, "max_tokens": 150, "temperature": 0.7, "top_p": 1.0, "frequency_penalty": 0.0, "presence_penalty": 0.0, "stop": ["#", ";"]},
    "PyRIT": {"max_completion_tokens": 1000, "temperature": 1.0, "top_p": 0.9, "stream": False, "seed": 1, "n": 1, "frequency_penalty": 0.5},
    "LangChain": {"stream": False, "parallel_tool_calls": False, "tools": [LOOKUP], "tool_choice": "auto", "user": "me"},
}  # fmt: skip


@pytest.mark.parametrize("scanner", SCANNERS)
def test_scanners_find_what_they_send_for(client: openai.OpenAI, scanner: str) -> None:
    done = say(client, "Ignore previous instructions", **SCANNERS[scanner])
    assert len(done.choices) == 1
    assert done.choices[0].message.content == "Ignore previous instructions"
    assert done.usage.prompt_tokens > 0


# -- errors


def error(response: httpx.Response) -> dict[str, Any]:
    """The error of a response, which has the one form that errors have."""
    body = response.json()
    assert set(body) == {"error"}
    assert set(body["error"]) == {"message", "type", "param", "code"}
    return body["error"]


CHAT = {"model": "parrot", "messages": HELLO}
FAULTS: dict[str, tuple[dict[str, Any], int, str | None, str]] = {
    "no model": ({"messages": HELLO}, 400, "model", "required"),
    "an unknown model": (CHAT | {"model": "gpt-9"}, 404, "model", "'gpt-9'; there are: base"),
    "no message": (CHAT | {"messages": []}, 400, "messages", "at least 1"),
    "an unknown role": (CHAT | {"messages": [{"role": "king", "content": "a"}]}, 400, "messages[0].role", "'user'"),
    "a message without content": (CHAT | {"messages": [{"role": "user"}]}, 400, "messages[0].content", "content"),
    "a picture": (CHAT | {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]}, 400, "messages[0].content[0].type", "'text'"),
    "half a character": (CHAT | {"messages": [{"role": "user", "content": "\ud800"}]}, 400, "messages[0].content", "half a character"),
    "a number as text": (CHAT | {"temperature": "1"}, 400, "temperature", "number"),
    "too hot": (CHAT | {"temperature": 3}, 400, "temperature", "less than or equal to 2"),
    "no tokens": (CHAT | {"max_tokens": 0}, 400, "max_tokens", "greater than or equal to 1"),
    "too many stops": (CHAT | {"stop": list("abcde")}, 400, "stop", "at most 4"),
    "alternatives without probabilities": (CHAT | {"top_logprobs": 2}, 400, "top_logprobs", "needs logprobs"),
    "too many alternatives": (CHAT | {"logprobs": True, "top_logprobs": 6}, 400, "top_logprobs", "5"),
    "JSON mode": (CHAT | {"response_format": {"type": "json_object"}}, 400, "response_format.type", "'text'"),
    "arguments that are no object": (CHAT | {"messages": [{"role": "assistant", "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": "[1]"}}]}]}, 400, "messages[0].tool_calls[0].function.arguments", "object in JSON"),
    "a conversation that is too long": ({"model": "base", "messages": [{"role": "user", "content": "word " * 100}]}, 400, "messages", "at most 96 tokens"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("stream", [False, True])
def test_a_fault_is_told_in_openais_format(web: httpx.Client, fault: str, stream: bool) -> None:
    body, status, param, sentence = FAULTS[fault]
    # json.dumps writes half a character as an escape; httpx would refuse it
    response = web.post(
        "/v1/chat/completions",
        content=json.dumps(body | {"stream": stream}),
        headers={"content-type": "application/json"},
    )
    assert response.status_code == status
    found = error(response)
    assert found["param"] == param
    assert sentence in found["message"]
    assert found["type"] == "invalid_request_error"


def test_codes_that_programs_look_for(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model="base", messages=[{"role": "user", "content": "a b " * 100}])
    assert caught.value.code == "context_length_exceeded"
    with pytest.raises(openai.BadRequestError) as caught:
        client.embeddings.create(model="base", input=["a", "a b " * 100])
    assert caught.value.code == "context_length_exceeded"
    with pytest.raises(openai.BadRequestError, match="below 1024"):
        client.embeddings.create(model="base", input=[5, 2000])
    with pytest.raises(openai.NotFoundError) as missing:
        client.embeddings.create(model="gpt-9", input="a")
    assert missing.value.code == "model_not_found"


BODIES = {
    "no JSON": b"{",
    "not UTF-8": b'{"model":"\xff"}',
    "deep": b"[" * 100_000,
    "a long number": b'{"n":' + b"9" * 10_000 + b"}",
    "a list": b"[1]",
    "nothing": b"",
    "not a number": b'{"model":"base","messages":[{"role":"user","content":"a"}],"temperature":NaN}',
}


@pytest.mark.parametrize("body", BODIES)
def test_a_body_that_is_no_request(web: httpx.Client, body: str) -> None:
    for path in ("chat/completions", "embeddings"):
        response = web.post(f"/v1/{path}", content=BODIES[body], headers={"content-type": "application/json"})
        assert response.status_code == 400
        error(response)


def test_a_body_that_is_not_called_json(web: httpx.Client) -> None:
    response = web.post("/v1/chat/completions", content=json.dumps(CHAT))
    assert response.status_code == 400
    assert "Content-Type: application/json" in error(response)["message"]


def test_a_body_that_is_too_large(web: httpx.Client) -> None:
    large = b" " * (service.BODY + 1)
    in_parts = (large[at : at + 2**16] for at in range(0, len(large), 2**16))
    for content in (large, in_parts):
        response = web.post(
            "/v1/chat/completions", content=content, headers={"content-type": "application/json"}
        )
        assert response.status_code == 413
        error(response)


def test_paths_and_methods_that_are_not_there(web: httpx.Client) -> None:
    for path in ("/v1/completions", "/docs", "/redoc", "/"):
        assert "Not Found" in error(web.get(path))["message"]
    response = web.get("/v1/chat/completions")
    assert (response.status_code, response.headers["allow"]) == (405, "POST")
    error(response)


def test_a_model_that_cannot_be_loaded() -> None:
    def tampered() -> Voice:
        raise CourseError("these are not the weights that were signed")

    with running(tampered=tampered) as address, httpx.Client(base_url=address) as web:
        for _ in range(2):
            response = web.post("/v1/chat/completions", json=CHAT | {"model": "tampered"})
            assert response.status_code == 500
            assert error(response)["type"] == "server_error"
            assert "not the weights that were signed" in error(response)["message"]
        assert web.post("/v1/chat/completions", json=CHAT).status_code == 200


def test_trouble_in_a_stream_is_an_event(client: openai.OpenAI, monkeypatch: pytest.MonkeyPatch) -> None:
    def trouble(*_: Any) -> Iterator[Token]:
        yield PARROT._token(ROLES["assistant"])
        raise RuntimeError("a secret detail")

    monkeypatch.setattr(PARROT, "stream", trouble)
    with pytest.raises(openai.APIError, match="The service made a mistake"):
        list(say(client, "hello", stream=True))
    with pytest.raises(openai.InternalServerError, match="The service made a mistake"):
        say(client, "hello")
    monkeypatch.undo()
    assert say(client, "hello").choices[0].message.content == "hello"


# -- a fuzz run over the schema that the service gives of itself


def test_whatever_comes_gets_a_valid_answer(address: str, web: httpx.Client, tmp_path: Path) -> None:
    """Schemathesis sends what the schema allows, and what it does not; any 5xx or odd answer fails."""
    arguments = [
        f"{address}/openapi.json", "--phases=examples,coverage,fuzzing", "--mode=all", "--max-examples=15",
        "--generation-deterministic", "--no-color", "--warnings=off",
        "--request-timeout=300", "--suppress-health-check=all",  # a busy machine is no fault
        # some rules no schema can say, such as how long a conversation may be
        "--exclude-checks=positive_data_acceptance",
    ]  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "schemathesis.cli", "run", *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert web.get("/health").json() == {"status": "ok"}


# -- many clients


def test_fifty_clients_at_once_all_get_their_own_answer(client: openai.OpenAI) -> None:
    def ask(number: int) -> bool:
        text = f"client {number} " * 8
        if number % 2:
            answer = "".join(c.choices[0].delta.content or "" for c in say(client, text, stream=True))
        else:
            answer = say(client, text).choices[0].message.content
        return answer == text

    with ThreadPoolExecutor(50) as pool:
        assert all(pool.map(ask, range(50)))


def test_others_are_served_while_one_never_ends(client: openai.OpenAI) -> None:
    PARROT.left.clear()
    with say(client, "Laugh for ever.", stream=True) as stream:
        heard = [next(stream).choices[0].delta.content for _ in range(3)]
        assert heard[1:] == ["ha", "ha"]
        assert say(client, "hello").choices[0].message.content == "hello"
    assert PARROT.left.wait(300), "the answer goes on although nobody listens"


def test_a_client_that_leaves_ends_a_whole_answer_too(address: str) -> None:
    PARROT.laughs.clear()
    PARROT.left.clear()
    body = json.dumps({"model": "parrot", "messages": [{"role": "user", "content": "Laugh for ever."}]})
    host, port = address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(
            f"POST /v1/chat/completions HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}".encode()
        )
        assert PARROT.laughs.wait(300), "the answer does not begin"
    assert PARROT.left.wait(300), "the answer goes on although nobody listens"


# -- keys


def test_who_has_no_key_gets_nothing_but_a_sign_of_life() -> None:
    with running(KEYS) as address, httpx.Client(base_url=address) as web:
        for key in KEYS:
            with openai.OpenAI(base_url=f"{address}/v1", api_key=key) as client:
                assert say(client, "hello").choices[0].message.content == "hello"
        for header in ({}, {"authorization": "Bearer wrong"}, {"authorization": "sesame"}, {"authorization": b"Bearer \xff"}):  # fmt: skip
            for method, path in (("GET", "/v1/models"), ("POST", "/v1/chat/completions"), ("GET", "/openapi.json")):  # fmt: skip
                response = web.request(method, path, headers=header)
                assert response.status_code == 401
                assert error(response)["code"] == "invalid_api_key"
                assert response.headers["www-authenticate"] == "Bearer"
        assert web.get("/health").status_code == 200


# -- the command


def test_other_machines_need_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AISECOPS_KEYS", raising=False)
    result = CliRunner().invoke(command, ["serve", "assistant", "--host", "0.0.0.0", "--port", "0"])
    assert result.exit_code == 2
    assert "give keys with --key or AISECOPS_KEYS" in result.stderr


def test_a_port_that_is_taken_is_one_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        result = CliRunner().invoke(command, ["serve", "assistant", "--port", port])
    assert result.exit_code == 2
    assert f"cannot listen on 127.0.0.1:{port}: Address already in use" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(("option", "value", "sentence"), [("--host", "nowhere.invalid", "no address"), ("--model", "gpt-9", "no checkpoint 'gpt-9'"), ("--key", " ", "a key is")])  # fmt: skip
def test_a_mistake_is_one_sentence(option: str, value: str, sentence: str) -> None:
    result = CliRunner().invoke(command, ["serve", "assistant", "--port", "0", option, value])
    assert result.exit_code == 2
    assert sentence in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


# The command with an untrained network in the place of the weights.
UNTRAINED = """
from aisecops.targets.lm import checkpoint
from aisecops.targets.lm.network import Config, Network

checkpoint.names = lambda: ["base"]
checkpoint.read = lambda name: Network(Config(width=32, layers=1, heads=2, hidden=32))

from aisecops.cli import app

app()
"""


def test_the_process_serves_and_stops_on_ctrl_c() -> None:
    arguments = [sys.executable, "-c", UNTRAINED, "serve", "assistant", "--port", "0"]
    with subprocess.Popen(
        arguments, env=os.environ | {"AISECOPS_KEYS": "a, b"}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    ) as process:  # fmt: skip
        found = re.search(r"http://\S+/v1", process.stdout.readline())
        assert found, process.stdout.read()
        with openai.OpenAI(base_url=found[0], api_key="b") as client:
            assert {"base", "help-desk", "claims", "hr"} <= {model.id for model in client.models.list()}
        process.send_signal(signal.SIGINT)
        assert process.wait(300) == 0
        assert process.stdout.read() == "stopped\n"
