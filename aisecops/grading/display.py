"""What a learner's cell shows, made safe to keep: it is data from a process that may lie."""

import re
from typing import Any

from nbformat import NotebookNode
from nbformat.v4 import new_output

MOST_OUTPUTS = 200
MOST_TEXT = 200_000
MOST_LINES = 2_000
MOST_PICTURE = 4_000_000
MOST_CELL = 8_000_000
MOST_TAGS = 4_000  # of one table; more take too long to check

_TAGS = frozenset(
    {"b", "br", "caption", "code", "div", "em", "i", "li", "ol", "p", "pre", "span", "strong", "sub", "sup"}
    | {"table", "tbody", "td", "tfoot", "th", "thead", "tr", "ul"}
)
_ATTRIBUTES = {"*": ["border", "class", "colspan", "rowspan"]}
_HTML = re.compile(r"<(?=[A-Za-z/!?])(?!https?://|mailto:)")
_CUT = f"\n… the rest is cut: a cell may show {MOST_TEXT:,} characters and {MOST_LINES:,} lines\n"


def clean(outputs: Any) -> list[NotebookNode]:
    """Return those outputs that are well formed, each cut to a size and freed of scripts.

    Args:
        outputs: what JSON made of what the learner's process sent.
    """
    if not isinstance(outputs, list):
        return []
    kept: list[NotebookNode] = []
    room = MOST_CELL
    for output in outputs[:MOST_OUTPUTS]:
        shown = _clean(output)
        room -= size(shown) if shown is not None else 0
        if room <= 0:
            break
        if shown is not None:
            kept.append(shown)
    return kept


def size(output: NotebookNode) -> int:
    """Return about how many characters an output holds."""
    return sum(map(len, output.get("data", {}).values())) + len(
        output.get("text", "") + output.get("evalue", "")
    )


def _clean(output: Any) -> NotebookNode | None:
    match output:
        case {"output_type": "stream", "name": "stdout" | "stderr" as name, "text": str(text)}:
            return new_output("stream", name=name, text=cut(text))
        case {"output_type": "error", "ename": str(kind), "evalue": str(text)}:
            kind, text = cut(kind, 200), cut(text)
            return new_output("error", ename=kind, evalue=text, traceback=[f"{kind}: {text}"])
        case {"output_type": "display_data" | "execute_result" as kind, "data": dict(data)}:
            shown = {mime: safe for mime, value in data.items() if (safe := _safe(mime, value)) is not None}
            return new_output(kind, data=shown) if shown else None
    return None


def _safe(mime: str, value: Any) -> str | None:
    if not isinstance(value, str):
        return None
    if mime == "text/plain":
        return cut(value)
    if mime == "text/html" and value.count("<") <= MOST_TAGS and len(value) <= MOST_TEXT:
        import bleach

        return str(bleach.clean(value, tags=_TAGS, attributes=_ATTRIBUTES, strip=True))
    if mime in ("image/png", "image/jpeg") and len(value) <= MOST_PICTURE:
        return re.sub(r"[^A-Za-z0-9+/=]", "", value)
    return None


def cut(text: str, characters: int = MOST_TEXT, lines: int = MOST_LINES) -> str:
    """Return a text as far as a cell may show it, and say so if that is not all; no half characters."""
    short = text[:characters]
    if short.count("\n") > lines:
        short = "\n".join(short.split("\n", lines)[:lines])
    whole = len(short) == len(text)
    short = short if short.isascii() else short.encode("utf-8", "replace").decode()
    return short if whole else short + _CUT


def as_text(markdown: str) -> str:
    """Return a learner's Markdown with its HTML shown as text, so that no browser runs any of it.

    nbgrader's pages take HTML in Markdown as it is. Markdown's own links and formats stay.
    """
    return _HTML.sub("&lt;", markdown)
