"""The wire format: OpenAI's chat completions, embeddings and models, as far as a small text model has them.

What this service has no use for (``top_p``, ``frequency_penalty``, ``user`` ...) is taken and has no effect,
so that clients work unmodified. What asks for another kind of answer (images, JSON mode, a forced tool) is
refused.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError
from starlette.exceptions import HTTPException

_INTEGER = 2**63  # seeds are 64-bit integers


def _text(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        reason = "The text holds half a character, a surrogate without its other half"
        raise PydanticCustomError("half_character", reason) from None
    return text


Text = Annotated[str, AfterValidator(_text)]
TokenId = Annotated[int, Field(ge=0, lt=_INTEGER)]
Stop = Annotated[Text, Field(min_length=1, max_length=200)]


class Failure(HTTPException):
    """An error that the client is told of, in OpenAI's format.

    Args:
        status: of HTTP.
        message: one sentence: what, where, how to fix it.
        param: which part of the request is at fault.
        code: a word that programs look for, such as ``context_length_exceeded``.
        headers: further headers of the response.
    """

    def __init__(
        self,
        status: int,
        message: str,
        param: str | None = None,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status, message, headers)
        self.param, self.code = param, code


class _Wire(BaseModel):
    # Strict: "5" is no number. Unknown fields are left alone, as everywhere in this format.
    model_config = ConfigDict(strict=True, extra="ignore", allow_inf_nan=False)


# -- what clients send


class TextPart(_Wire):
    """A part of a message. ``data`` is an extension: the text is marked as data for the model."""

    type: Literal["text"]
    text: Text
    data: bool = False


class FunctionCall(_Wire):
    """Which function, and its arguments: an object in JSON."""

    name: Text
    arguments: Text


class ToolCall(_Wire):
    """A call that the model made."""

    id: str
    type: Literal["function"] = "function"
    function: FunctionCall


class ChatMessage(_Wire):
    """A message of the conversation."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: Text | list[TextPart] | None = None
    tool_calls: list[ToolCall] | None = None
    tool_call_id: str | None = None


class FunctionOffer(_Wire):
    """A function that the model may call. It reads the name, and knows the arguments of its own tools."""

    name: str = Field(pattern=r"^[a-zA-Z0-9_-]{1,64}$")
    description: str | None = None
    parameters: dict[str, Any] | None = None


class ToolOffer(_Wire):
    """A tool that the model may call."""

    type: Literal["function"]
    function: FunctionOffer


class StreamOptions(_Wire):
    """Whether a stream ends with the number of tokens."""

    include_usage: bool | None = None


class TextFormat(_Wire):
    """The one format of answers: text."""

    type: Literal["text"]


class ChatRequest(_Wire):
    """What ``POST /v1/chat/completions`` takes.

    Without ``temperature`` the likeliest token is taken each time, as everywhere in this course; above 0,
    each request without ``seed`` draws anew.
    """

    model: str
    messages: list[ChatMessage] = Field(min_length=1)
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: int | None = Field(None, ge=1)
    max_completion_tokens: int | None = Field(None, ge=1)
    temperature: float | None = Field(None, ge=0, le=2)
    seed: int | None = Field(None, ge=-_INTEGER, lt=_INTEGER)
    n: int | None = Field(None, ge=1, le=128)
    stop: Stop | Annotated[list[Stop], Field(max_length=4)] | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = Field(None, ge=0, le=5)
    tools: list[ToolOffer] | None = None
    tool_choice: Literal["none", "auto"] | None = None
    response_format: TextFormat | None = None


class EmbeddingRequest(_Wire):
    """What ``POST /v1/embeddings`` takes: a text, texts, or the same as token ids."""

    model: str
    input: (
        Annotated[Text, Field(min_length=1)]
        | Annotated[list[Annotated[Text, Field(min_length=1)]], Field(min_length=1, max_length=2048)]
        | Annotated[list[TokenId], Field(min_length=1)]
        | Annotated[list[Annotated[list[TokenId], Field(min_length=1)]], Field(min_length=1, max_length=2048)]
    )
    encoding_format: Literal["float", "base64"] | None = None


# -- what the service answers


class TopLogprob(_Wire):
    """A token that might have stood at a place. ``bytes`` is null for what is no text."""

    token: str
    bytes: list[int] | None
    logprob: float


class TokenLogprob(TopLogprob):
    """A token of the answer, and the likeliest ones at its place."""

    top_logprobs: list[TopLogprob]


class Logprobs(_Wire):
    """The tokens of the answer's text."""

    content: list[TokenLogprob]
    refusal: None = None


class Answer(_Wire):
    """What the model said, or the tool calls that it made."""

    role: Literal["assistant"] = "assistant"
    content: str | None
    refusal: None = None
    tool_calls: list[ToolCall] | None = None


Finish = Literal["stop", "length", "tool_calls"]


class Choice(_Wire):
    """One answer of several."""

    index: int
    message: Answer
    logprobs: Logprobs | None
    finish_reason: Finish


class Usage(_Wire):
    """Tokens read and written. Those that begin and end a message count, as they take room too."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class ChatCompletion(_Wire):
    """What ``POST /v1/chat/completions`` answers."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: list[Choice]
    usage: Usage


class Embedding(_Wire):
    """A vector of unit length: numbers, or 32-bit floats (little-endian) in base64."""

    object: Literal["embedding"] = "embedding"
    index: int
    embedding: list[float] | str


class EmbeddingUsage(_Wire):
    """Tokens read."""

    prompt_tokens: int
    total_tokens: int


class Embeddings(_Wire):
    """What ``POST /v1/embeddings`` answers."""

    object: Literal["list"] = "list"
    data: list[Embedding]
    model: str
    usage: EmbeddingUsage


class Model(_Wire):
    """A name to put into ``model``."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: Literal["aisecops"] = "aisecops"


class Models(_Wire):
    """What ``GET /v1/models`` answers."""

    object: Literal["list"] = "list"
    data: list[Model]


class ErrorBody(_Wire):
    """What went wrong."""

    message: str
    type: Literal["invalid_request_error", "server_error"]
    param: str | None
    code: str | None


class Error(_Wire):
    """What every error looks like."""

    error: ErrorBody
