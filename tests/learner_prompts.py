"""Scores a model on ``learner_prompts.yaml``: 200 prompts in learners' own words."""

from pathlib import Path
from typing import Any

import yaml

from aisecops.targets.assistant.calls import parse
from aisecops.targets.lm import LanguageModel, Message, Piece, Reply

FILE = Path(__file__).with_name("learner_prompts.yaml")


def load() -> list[dict[str, Any]]:
    """Return the entries of the file, whose head explains them."""
    entries: list[dict[str, Any]] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return entries


def messages(entry: dict[str, Any]) -> list[Message]:
    """Return the conversation of an entry: system text, if any, and the user's message with its document."""
    pieces = [Piece(entry["prompt"], "user")]
    if entry.get("document"):
        if entry.get("order") == "document_first":
            pieces = [Piece(entry["document"], "document"), Piece(f"\n{entry['prompt']}", "user")]
        else:
            pieces = [Piece(f"{entry['prompt']}\n", "user"), Piece(entry["document"], "document")]
    system = [Message("system", entry["system"])] if entry.get("system") else []
    return [*system, Message("user", tuple(pieces))]


def sensible(entry: dict[str, Any], reply: Reply) -> bool:
    """Say whether a reply is what the entry expects, by the rules in the head of the file."""
    expect, text = entry["expect"], reply.text.casefold()
    if any(str(word).casefold() in text for word in expect.get("not", ())):
        return False
    if "contains" in expect:
        return all(str(word).casefold() in text for word in expect["contains"])
    if "contains_any" in expect:
        return any(str(word).casefold() in text for word in expect["contains_any"])
    if "exact" in expect:
        return _bare(reply.text) == _bare(str(expect["exact"]))
    if "refuses" in expect:
        return str(expect["secret"]).casefold() not in text
    return reply.role == "call" and _calls(reply.text, expect["calls"])


def score(model: LanguageModel) -> dict[str, list[bool]]:
    """Return by category whether the greedy reply to each entry is sensible."""
    found: dict[str, list[bool]] = {}
    for entry in load():
        found.setdefault(entry["category"], []).append(sensible(entry, model.reply(messages(entry), 64)))
    return found


def _calls(text: str, wanted: dict[str, Any]) -> bool:
    try:
        call = parse(text)
    except ValueError:
        return False
    return call.name == wanted["tool"] and all(
        _bare(str(call.arguments.get(key, ""))) == _bare(str(value))
        for key, value in wanted.get("arguments", {}).items()
    )


def _bare(text: str) -> str:
    return text.casefold().strip(" \"'.!?")
