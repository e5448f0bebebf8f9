"""The chat for notebooks: a transcript, and below it what the model saw, token by token."""

from html import escape
from itertools import groupby
from math import exp
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import anywidget
import traitlets

from aisecops.course import CourseError
from aisecops.targets.chat.conversation import (
    Application,
    Documents,
    Said,
    Step,
    Transcript,
    application,
    kind,
)
from aisecops.targets.lm.chat import Role
from aisecops.targets.lm.model import LanguageModel, Reply, Token
from aisecops.targets.lm.tokenizer import ROLES, load_tokenizer

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from aisecops.targets.assistant import Assistant

_HERE = Path(__file__).parent
_NOTHING = "Nothing was said yet."
# Letter and underline tell the sources apart without colour; widget.css has the same.
_MARKS = {
    "system": ("S", "solid #0072b2"),
    "user": ("U", "double #00856a"),
    "document": ("D", "dashed #d55e00"),
    "tool": ("T", "dotted #a8457f"),
    "assistant": ("A", "solid #767676"),
}
_OPENING = [ROLES[role] for role in get_args(Role)]  # marks that open a message


class Chat(anywidget.AnyWidget):  # type: ignore[misc]
    """A conversation with a model, or with an application around one, to type into and to look into.

    The context window shows each token of what the model saw with its source. A token of an answer shows the
    five likeliest tokens at its place, and where the model looked as it chose it: the attention of the token
    before it, from which it was predicted, as the mean over the heads of a layer. High attention is a hint
    at what mattered, no proof (Jain & Wallace, *Attention is not Explanation*, 2019).

    Args:
        model: a language model, an assistant (:mod:`aisecops.targets.assistant`), or another application,
            such as ``Conversation(model, temperature=1.0)``.
        system: the system text, for a bare model.
        documents: texts, or texts by title, for a bare model; they are pasted below the first question.

    Raises:
        CourseError: there is nothing to chat with.
    """

    _esm = _HERE / "widget.js"
    _css = _HERE / "widget.css"
    state = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        model: "LanguageModel | Assistant | Application",
        system: str = "",
        documents: Documents = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._application = application(model, system, documents)
        self._conversation = 0
        self._start()
        self.on_msg(self._on_message)

    def reset(self) -> None:
        """Forget the conversation, and start over."""
        self._application.reset()
        self._start()

    def _start(self) -> None:
        self._transcript = Transcript()
        self._models: list[object] = []  # of each step: an application may change its model
        self._steps: list[dict[str, Any]] = []
        self._conversation += 1
        self._show()

    def say(self, text: str) -> Said:
        """Say something, as if it had been typed, and return the last reply.

        Raises:
            CourseError: the model cannot answer. The transcript shows this, and any other error, as well.
        """
        try:
            for step in self._transcript.turn(self._application, text):
                self._models.append(self._application.model)
                self._steps.append(_drawn(step, self._application.model))
                self._show()
        finally:
            self._show()
        return self._transcript.steps[-1].reply

    def attention(self, step: int) -> "NDArray[Any]":
        """Return where the model looked in a step, (layers, reply tokens, prompt and reply tokens), float32.

        Row k holds the attention, mean over the heads, from which token k of the reply was predicted.

        Args:
            step: number of the step, from 0.

        Raises:
            CourseError: there is no such step, or its model does not let anybody look into it.
        """
        if not 0 <= step < len(self._steps):
            raise CourseError(f"there is no step {step}; so far there are {len(self._steps)}, from 0")
        model, done = self._models[step], self._transcript.steps[step]
        said = [token.id for token in _tokens(done)]
        if not isinstance(model, LanguageModel) or not said:
            raise CourseError(f"step {step} has no attention to show: no model of the course wrote its reply")
        weights = model.attention([*done.prompt.tokens, *said]).mean(1)
        first = len(done.prompt.tokens) - 1
        rows: NDArray[Any] = weights[:, first : first + len(said)].contiguous().numpy()
        return rows

    def _show(self) -> None:
        model = self._application.model
        self.state = {
            "name": getattr(model, "name", ""),
            "room": model.context if isinstance(model, LanguageModel) else None,
            "conversation": self._conversation,
            "entries": [vars(entry) for entry in self._transcript.entries],
            "steps": self._steps,
        }

    def _on_message(self, _: Any, content: dict[str, Any], __: list[bytes]) -> None:
        """Do what the browser asks: speak, look or start over."""
        match content:
            case {"say": str(text)}:
                try:
                    self.say(text)
                except Exception:  # its sentence stands in the transcript
                    pass
                finally:
                    self.send({"done": True})
            case {"attention": int(step)}:
                try:
                    weights = self.attention(step)
                except CourseError:  # the browser shows none, as for any model that cannot be looked into
                    return
                self.send({"attention": step, "shape": weights.shape}, [weights.tobytes()])
            case {"reset": True}:
                self.reset()

    def __repr__(self) -> str:
        """Return the transcript as plain text."""
        return str(self._transcript) or _NOTHING

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        """Show the widget; where none runs, as in a recorded notebook, transcript and last context."""
        bundle = super()._repr_mimebundle_(**kwargs)
        data = bundle[0] if isinstance(bundle, tuple) else bundle
        if data is not None:
            data["text/plain"] = repr(self)
            data["text/html"] = _html(self._transcript)
        return bundle


def _drawn(step: Step, model: object) -> dict[str, Any]:
    """Return what the browser draws of a step: every token with its source, and the odds of the reply's."""
    said = _tokens(step)
    ids = [*step.prompt.tokens, *(token.id for token in said)]
    sources = [*step.prompt.sources, *(step.reply.role for _ in said)]
    names = list(dict.fromkeys(sources))
    show = load_tokenizer().show
    return {
        "tokens": [show(id) for id in ids],
        "marks": [place for place, id in enumerate(ids) if id < len(ROLES)],
        "sources": [names.index(source) for source in sources],
        "names": [{"kind": _kind(name), "name": name} for name in names],
        "start": len(step.prompt.tokens),
        "cut": bool(said) and said[-1].id != ROLES["end"],
        "layers": model.network.config.layers if isinstance(model, LanguageModel) else 0,
        "odds": [
            {
                "chance": exp(token.logprob),
                "likeliest": [
                    {"text": show(id), "chance": exp(logprob), "chosen": id == token.id}
                    for id, logprob in token.likeliest
                    if logprob > float("-inf")
                ],
            }
            for token in said
        ],
    }


def _tokens(step: Step) -> tuple[Token, ...]:
    return step.reply.tokens if isinstance(step.reply, Reply) else ()


def _kind(source: str) -> str:
    found = kind(source)
    return "assistant" if found == "call" else found


def _html(transcript: Transcript) -> str:
    """Return the transcript, and the context before the last reply, as HTML without scripts."""
    said = "".join(
        f'<p style="margin: 4px 0; white-space: pre-wrap"><b>{escape(entry.label)}</b> '
        f"{escape(entry.text)}</p>"
        for entry in transcript.entries
    )
    prompts = [step.prompt for step in transcript.steps if step.prompt.tokens]
    if not prompts:
        return f"<div>{said or _NOTHING}</div>"
    prompt = prompts[-1]
    runs: list[str] = []
    for source, group in groupby(range(len(prompt.tokens)), key=prompt.sources.__getitem__):
        ids = [prompt.tokens[place] for place in group]
        letter, line = _MARKS[_kind(source)]
        runs.append(
            f"{'<br>' if runs and ids[0] in _OPENING else ''}"
            f'<span title="{escape(source)}" style="border-bottom: 3px {line}; white-space: pre-wrap">'
            f"<b>{letter}</b> {escape(load_tokenizer().decode(ids)).replace(chr(10), '⏎')}</span> "
        )
    legend = ", ".join(f"{letter} {name}" for name, (letter, _) in _MARKS.items())
    return (
        f'<div>{said}<p style="margin: 12px 0 4px"><b>What the model saw before its last reply</b> '
        f'({len(prompt.tokens)} tokens; {legend})</p><p style="line-height: 2">{"".join(runs)}</p></div>'
    )
