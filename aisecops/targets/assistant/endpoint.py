"""Any model behind an OpenAI-compatible endpoint (Ollama, vLLM, a cloud) in place of the course's own.

For a learner's curiosity: nothing that is graded ever uses one. The format is that of OpenAI's
``POST /chat/completions`` with tools.
"""

import inspect
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from aisecops.course import CourseError
from aisecops.targets.assistant.bank import Tool
from aisecops.targets.assistant.calls import Call, parse
from aisecops.targets.lm.chat import Message, Prompt

URL, MODEL, KEY = "AISECOPS_ENDPOINT", "AISECOPS_ENDPOINT_MODEL", "AISECOPS_ENDPOINT_KEY"


@dataclass(frozen=True)
class Endpoint:
    """A model behind a chat-completions endpoint.

    Attributes:
        base_url: such as ``http://localhost:11434/v1``.
        model: the model's name there.
        api_key: empty where none is needed.
        timeout_s: seconds to wait for the endpoint each time it is silent.
        context: how many tokens it reads; nobody asks the endpoint.
        tools: what the model may call, by name.
    """

    base_url: str
    model: str
    api_key: str = field(default="", repr=False)
    timeout_s: float = 60.0
    context: int = 8192
    tools: Mapping[str, Tool] = field(default_factory=dict)

    @classmethod
    def from_environment(cls) -> "Endpoint | None":
        """Return the endpoint that the environment names; None if it names none.

        Raises:
            CourseError: the environment names an endpoint but no model.
        """
        url, model = os.environ.get(URL, ""), os.environ.get(MODEL, "")
        if not url:
            return None
        if not model:
            raise CourseError(f"{URL} is set and {MODEL} is not; set it to a model of that endpoint")
        return cls(url, model, os.environ.get(KEY, ""))

    @property
    def name(self) -> str:
        """Return the model's name."""
        return self.model

    def offering(self, tools: Mapping[str, Tool]) -> "Endpoint":
        """Return the same endpoint, told of some tools."""
        return replace(self, tools=tools)

    def prompt(self, messages: Sequence[Message]) -> Prompt:
        """Return a prompt about as long as the conversation, by the rule of four bytes a token."""
        length = sum(len(message.text.encode()) // 4 + 4 for message in messages)
        return Prompt((0,) * length, ("endpoint",) * length)

    def reply(
        self, messages: Sequence[Message], max_tokens: int = 128, temperature: float = 0.0, seed: int = 0
    ) -> Message:
        """Return the model's reply; of several tool calls the first.

        Raises:
            CourseError: the endpoint can't be reached, refuses, or answers in another format.
        """
        request: dict[str, Any] = {
            "model": self.model,
            "messages": _chat(messages),
            "max_tokens": max_tokens,
            "temperature": temperature,
            "seed": seed,
        }
        if self.tools:
            request["tools"] = [_described(name, tool) for name, tool in self.tools.items()]
        answer = self._post(request)
        try:
            said = answer["choices"][0]["message"]
            if calls := said.get("tool_calls"):
                wanted = calls[0]["function"]
                return Message("call", _written(str(wanted["name"]), str(wanted["arguments"] or "{}")))
            return Message("assistant", str(said["content"] or ""))
        except (AttributeError, IndexError, KeyError, TypeError):
            raise self._error(
                "its answer is no chat completion; check that the address ends in /v1"
            ) from None

    def _post(self, request: dict[str, Any]) -> Any:
        import httpx

        headers = {"Authorization": f"Bearer {self.api_key}"} if self.api_key else {}
        try:
            response = httpx.post(
                f"{self.base_url.rstrip('/')}/chat/completions",
                json=request,
                headers=headers,
                timeout=self.timeout_s,
            )
        except httpx.TimeoutException:
            raise self._error(f"no answer within {self.timeout_s:g} seconds; is the model loaded?") from None
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as problem:
            reason = str(problem).splitlines()[0] if str(problem) else type(problem).__name__
            raise self._error(f"{reason}; start it, or correct {URL}") from None
        if response.status_code != 200:
            raise self._error(f"status {response.status_code}: {_reason(response.text)}")
        try:
            return response.json()
        except (ValueError, RecursionError):
            raise self._error("its answer is not JSON; check that the address ends in /v1") from None

    def _error(self, problem: str) -> CourseError:
        return CourseError(f"the endpoint {self.base_url} failed: {problem}")


def _chat(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """Return a conversation in the format of chat completions."""
    chat: list[dict[str, Any]] = []
    for number, message in enumerate(messages):
        id = f"call_{number}"
        if message.role == "call":
            try:
                call = parse(message.text)
            except ValueError:  # what our format cannot say, theirs can't either
                call = Call("unknown", {"text": message.text})
            function = {"name": call.name, "arguments": json.dumps(dict(call.arguments))}
            calls = [{"id": id, "type": "function", "function": function}]
            chat.append({"role": "assistant", "content": None, "tool_calls": calls})
        elif message.role == "tool":
            called = f"call_{number - 1}"  # a result follows its call
            chat.append({"role": "tool", "tool_call_id": called, "content": message.text})
        else:
            chat.append({"role": message.role, "content": message.text})
    return chat


def _described(name: str, tool: Tool) -> dict[str, Any]:
    """Return a tool in the format of chat completions: every parameter is a string."""
    parameters = list(inspect.signature(tool).parameters)
    return {
        "type": "function",
        "function": {
            "name": name,
            "description": (inspect.getdoc(tool) or name).splitlines()[0],
            "parameters": {
                "type": "object",
                "properties": {parameter: {"type": "string"} for parameter in parameters},
                "required": parameters,
            },
        },
    }


def _written(name: str, arguments: str) -> str:
    """Return a call of theirs as our model writes it; what is no call comes out as it is."""
    try:
        given = json.loads(arguments)
    except ValueError:
        return f"{name}({arguments})"
    if not isinstance(given, dict):
        return f"{name}({arguments})"
    plain = {
        str(key): value if isinstance(value, str | int | float) else json.dumps(value)
        for key, value in given.items()
    }
    return str(Call(name, plain))


def _reason(body: str) -> str:
    """Return what an error's body says, in a line."""
    try:
        error = json.loads(body)["error"]
        body = str(error["message"] if isinstance(error, dict) else error)
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    return " ".join(body.split())[:200] or "no reason given"
