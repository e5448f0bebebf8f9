"""Where an application puts a model's output: a web page, a database query, a command line.

Each sink exists to be misused without harm, and reports what would have happened: nothing is rendered by a
browser, queries run on a copy in memory, and no command leaves this file. By default the output goes in as it
is (improper output handling, OWASP LLM10:2026); the encoders beside each sink make it safe where they fit the
place, and only there.
"""

import html
import json
import re
import shlex
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from itertools import islice
from typing import Any, Literal

from aisecops.course import CourseError
from aisecops.targets.assistant.bank import Bank
from aisecops.targets.assistant.calls import whole

Encoder = Callable[[str], str]
Place = Literal["text", "attribute", "link", "script", "markdown"]


def as_is(output: str) -> str:
    """Return the output unchanged, as careless applications do."""
    return output


# -- a page

_PAGES: dict[Place, str] = {
    "text": "<p>Meri says: {output}</p>",
    "attribute": '<p title="{output}">Meri has an answer.</p>',
    "link": '<p><a href="{output}">Meri found this.</a></p>',
    "script": '<p>Meri has an answer.</p><script>show("{output}")</script>',
    "markdown": "<p>Meri says: {output}</p>",
}
_SHOW = re.compile(r'show\("(?:[^"\\\n\r]|\\.)*"\)')
_MARKDOWN = (
    (re.compile(r"!\[([^\]]*)\]\(([^)\s]*)\)"), r'<img alt="\1" src="\2">'),
    (re.compile(r"\[([^\]]*)\]\(([^)\s]*)\)"), r'<a href="\2">\1</a>'),
    (re.compile(r"\*\*([^*]+)\*\*"), r"<b>\1</b>"),
)
# Attributes whose address a browser fetches without a click; of a link or a form it waits for one.
_FETCHED = {"src", "srcset", "data", "background", "poster"}
_CLICKED = {"href", "action", "formaction", "xlink:href"}
_RUNS = ("javascript:", "vbscript:", "data:text/html")
_CSS_URL = re.compile(r"""url\(\s*['"]?([^'")]*)""", re.IGNORECASE)


@dataclass(frozen=True)
class Page:
    """A page, and what a browser would make of it.

    Attributes:
        html: the page.
        text: what a person would read.
        runs: code that would run: scripts, event handlers, ``javascript:`` addresses.
        loads: addresses that would be fetched with no click, and may carry data away.
        links: addresses that wait for a click.
    """

    html: str
    text: str
    runs: tuple[str, ...]
    loads: tuple[str, ...]
    links: tuple[str, ...]


def page(output: str, place: Place = "text", encode: Encoder = as_is) -> Page:
    """Put an output into a page.

    Args:
        output: what the model said.
        place: between tags, in an attribute in quotes, as the address of a link, in a string of a script,
            or between tags with Markdown turned into HTML after the encoder.
        encode: what to do with the output first; see ``encode_text`` and the others.

    Raises:
        CourseError: there is no such place.
    """
    if place not in _PAGES:
        raise CourseError(f"a page has no place {place!r}; choose one of {', '.join(_PAGES)}")
    put = encode(output)
    if place == "markdown":
        for pattern, tag in _MARKDOWN:
            put = pattern.sub(tag, put)
    text = _PAGES[place].replace("{output}", put)
    browser = _Browser()
    browser.feed(text)
    browser.close()
    return Page(text, browser.text, tuple(browser.runs), tuple(browser.loads), tuple(browser.links))


def encode_text(output: str) -> str:
    """Encode for a place between tags or in a quoted attribute: ``<`` becomes ``&lt;``."""
    return html.escape(output)


def encode_link(output: str) -> str:
    """Encode for an address: http, https, mailto and addresses without a scheme pass, others become ``#``."""
    # Browsers skip white space and control characters in a scheme, so the check does as well.
    bare = re.sub(r"[\x00-\x20]+", "", output)
    scheme, colon, _ = re.split(r"[/?#]", bare, maxsplit=1)[0].partition(":")
    known = not colon or scheme.lower() in ("http", "https", "mailto")
    return html.escape(bare) if known else "#"


def encode_script(output: str) -> str:
    """Encode for the inside of a string in a script."""
    text = json.dumps(output)[1:-1]
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def encode_markdown(output: str) -> str:
    """Encode for Markdown: no tags, no images, no links, since their addresses carry data away."""
    return encode_text(output).replace("[", "&#91;").replace("]", "&#93;")


class _Browser(HTMLParser):
    """Lists what a browser would run, fetch and show."""

    def __init__(self) -> None:
        super().__init__()
        self.runs: list[str] = []
        self.loads: list[str] = []
        self.links: list[str] = []
        self.text = ""
        self._inside = ""  # script or style
        self._body = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, given in attrs:
            value = (given or "").strip()
            plain = re.sub(r"[\x00-\x20]+", "", value).lower()
            address = name in _FETCHED or name in _CLICKED
            if name.startswith("on") or name == "srcdoc" or (address and plain.startswith(_RUNS)):
                self.runs.append(value)
            elif name in _FETCHED or (tag in ("link", "base", "use", "image") and name in _CLICKED):
                self.loads.append(value)
            elif name in _CLICKED:
                self.links.append(value)
            elif name == "style":
                self.loads += _CSS_URL.findall(value)
            elif tag == "meta" and name == "content" and "url=" in plain:
                self.loads.append(value)
        if tag in ("script", "style"):
            self._inside, self._body = tag, ""

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)  # HTML knows no <script/>: the slash means nothing
        if tag in ("script", "style"):
            self.set_cdata_mode(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag == self._inside:
            self._close()

    def handle_data(self, data: str) -> None:
        if self._inside:
            self._body += data
        else:
            self.text += data

    def close(self) -> None:
        super().close()
        self._close()

    def _close(self) -> None:
        if self._inside == "style":
            self.loads += _CSS_URL.findall(self._body)
        elif self._body and not _SHOW.fullmatch(self._body):  # the page's own script is no news
            self.runs.append(self._body)
        self._inside = self._body = ""


# -- a query

_STEPS = 200_000  # of SQLite's machine, some milliseconds
_MOST_ROWS = 1000
_LONGEST = 100_000  # bytes of a value, characters of a file
_FORBIDDEN = {sqlite3.SQLITE_ATTACH, sqlite3.SQLITE_DETACH, sqlite3.SQLITE_PRAGMA}


@dataclass(frozen=True)
class Query:
    """A query that was run on a copy of the bank.

    Attributes:
        sql: what was run.
        rows: what came back, at most 1000 rows.
        changed: how many rows were added, changed or deleted.
        dropped: tables that are gone.
        tables: tables that were read from, SQLite's own list of tables (``sqlite_master``) among them.
        error: what SQLite said; empty if all went well.
    """

    sql: str
    rows: tuple[tuple[Any, ...], ...]
    changed: int
    dropped: tuple[str, ...]
    tables: tuple[str, ...]
    error: str


def query(
    output: str,
    bank: Bank,
    template: str = "SELECT id, status FROM orders WHERE customer = '{output}'",
    encode: Encoder = as_is,
    bind: bool = False,
) -> Query:
    """Put an output into a query and run it on a copy of the bank; several statements may be in it.

    Args:
        output: what the model said.
        bank: whose data to copy.
        template: the query; ``{output}`` alone runs whatever the model wrote.
        encode: what to do with the output first, such as :func:`encode_sql`.
        bind: hand the output over as a parameter instead of as a part of the query: the right way.
    """
    database = bank.copy()
    before, tables = set(_table_names(database)), set[str]()
    readable = {*before, "sqlite_master"}
    value = whole(encode(output))
    if bind:
        sql = template.replace("'{output}'", ":output").replace("{output}", ":output")
    else:
        sql = template.replace("{output}", value)

    def allow(action: int, name: str | None, *_: object) -> int:
        if action == sqlite3.SQLITE_READ and name in readable:
            tables.add(str(name))
        return sqlite3.SQLITE_DENY if action in _FORBIDDEN else sqlite3.SQLITE_OK

    database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST)
    database.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
    database.set_authorizer(allow)
    steps = iter(range(_STEPS // 1000))
    database.set_progress_handler(lambda: next(steps, None) is None, 1000)
    changes, error = database.total_changes, ""
    rows: list[tuple[Any, ...]] = []
    try:
        for statement in _statements(sql):
            cursor = database.execute(statement, {"output": value} if bind else ())
            rows += islice(cursor, _MOST_ROWS - len(rows))
    except (sqlite3.Error, sqlite3.Warning, OverflowError, ValueError) as problem:
        error = str(problem)
    changed = database.total_changes - changes
    database.set_authorizer(None)
    database.set_progress_handler(None, 0)
    dropped = before - set(_table_names(database))
    database.close()
    return Query(sql, tuple(rows), changed, tuple(sorted(dropped)), tuple(sorted(tables)), error)


def encode_sql(output: str) -> str:
    """Encode for the inside of a quoted value in SQLite: quotes are doubled. Binding is better."""
    return output.replace("'", "''").replace("\x00", "")


def _table_names(database: sqlite3.Connection) -> list[str]:
    return [name for (name,) in database.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]


def _statements(sql: str) -> list[str]:
    """Split a script where SQLite sees the end of a statement."""
    found, start = [], 0
    for end in (match.end() for match in re.finditer(";", sql)):
        if sqlite3.complete_statement(sql[start:end]):
            found.append(sql[start:end])
            start = end
    return [*found, sql[start:]]


# -- a command line

# The files that commands find, and may change.
FILES: Mapping[str, str] = {
    "notes.txt": "The next check is planned for spring.",
    "customers.csv": "Greta Lindqvist,5120,Bergen",
    "reports/sales.txt": "31 cases, 9 open.",
}
_DEPTH = 3  # of commands inside commands
# One part of a word: in single quotes, in double quotes, after a backslash, a command inside, or bare.
_PART = re.compile(
    r"""'([^']*)'|"((?:\\.|[^"\\])*)"|\\(.)|\$\(([^()]*)\)|`([^`]*)`|([^ \t\r\n;|&<>'"\\`$]+|\$(?!\())""",
    re.DOTALL,
)
_OPERATOR = re.compile(r"[;|&\n]+|>>?|<")
_SKIPPED = re.compile(r"[ \t\r]+|\\\n|#[^\n]*")
_INSIDE = re.compile(r"\$\(([^()]*)\)|`([^`]*)`|\\([\"\\$`])")


@dataclass
class Shell:
    """What a command line would have done.

    Attributes:
        line: the command line.
        commands: the commands that would have run, each as its words, in order.
        printed: what they print.
        files: the files afterwards, by path.
        fetched: addresses that ``curl`` or ``wget`` would have called.
        error: why the rest was not run; empty if all went well.
    """

    line: str
    commands: list[list[str]] = field(default_factory=list)
    printed: str = ""
    files: dict[str, str] = field(default_factory=lambda: dict(FILES))
    fetched: list[str] = field(default_factory=list)
    error: str = ""


def shell(output: str, template: str = "grep {output} notes.txt", encode: Encoder = as_is) -> Shell:
    """Put an output into a command line and interpret that in a tiny shell of our own.

    It knows ``cat``, ``cp``, ``curl``, ``echo``, ``grep``, ``ls``, ``mv``, ``rm`` and ``wget``, quotes,
    ``; & && || |`` and new lines between commands, ``>`` and ``>>``, and commands in backticks or ``$( )``.
    Other commands are only reported. Files are texts in memory, and nothing is ever fetched.

    Args:
        output: what the model said.
        template: the command line.
        encode: what to do with the output first, such as :func:`encode_shell`.
    """
    done = Shell(template.replace("{output}", encode(output)))
    try:
        done.printed = _run(done.line, done, 0)
    except ValueError as problem:
        done.error = str(problem)
    return done


def encode_shell(output: str) -> str:
    """Encode as one word of a command line (POSIX shells)."""
    return shlex.quote(output)


def _run(line: str, done: Shell, depth: int) -> str:
    """Run a line, and return what it prints."""
    if depth > _DEPTH:
        raise ValueError("commands stand too deep inside commands")
    printed = before = ""
    words: list[str] = []
    at, line = 0, line + "\n\n"  # a backslash at the end takes the first one
    while at < len(line):
        if match := _SKIPPED.match(line, at):
            at = match.end()
        elif match := _OPERATOR.match(line, at):
            at = match.end()
            if match[0][0] in "<>":
                words.append(f"\0{match[0]}")  # no word has this form
            elif words:
                result = _command(words, before, done)
                printed, before = (printed, result) if match[0] == "|" else (printed + result, "")
                words = []
        else:
            word = ""
            while match := _PART.match(line, at):
                word += _part(match, done, depth)
                at = match.end()
            if line[at] not in " \t\r\n;|&<>":
                raise ValueError(f"{line[at]} is not closed")
            words.append(word.replace("\0", ""))
    return printed


def _part(match: re.Match[str], done: Shell, depth: int) -> str:
    """Return the text that a part of a word stands for."""
    single, double, escaped, *inner, bare = match.groups()
    if double is not None:
        return _INSIDE.sub(
            lambda found: found[3] or _run(found[1] or found[2] or "", done, depth + 1).rstrip("\n"), double
        )
    for command in inner:
        if command is not None:
            return _run(command, done, depth + 1).rstrip("\n")
    return single or (escaped or "").removeprefix("\n") or bare or ""


def _command(words: list[str], given: str, done: Shell) -> str:
    """Run one command with a text as its input; return what it prints."""
    target, append = "", False
    for arrow in ("\0>", "\0>>"):
        if arrow in words[:-1]:
            at = words.index(arrow)
            target, append = words[at + 1], arrow == "\0>>"
            words = words[:at] + words[at + 2 :]
    words = [word.lstrip("\0") for word in words] or ["cat"]
    done.commands.append(words)
    name, options = words[0], [word for word in words[1:] if not word.startswith("-")]
    files = done.files
    result = ""
    if name == "echo":
        result = " ".join(words[1:])
    elif name == "cat":
        result = "\n".join(files[path] for path in options if path in files) if options else given
    elif name == "grep" and options:
        texts = [files[path] for path in options[1:] if path in files] or [given]
        result = "\n".join(line for text in texts for line in text.splitlines() if options[0] in line)
    elif name == "ls":
        result = "\n".join(sorted(files))
    elif name == "rm":
        gone = [path for path in files for option in options if _covers(option, path)]
        for path in set(gone):
            del files[path]
    elif name in ("cp", "mv") and len(options) == 2 and options[0] in files:
        files[options[1]] = files[options[0]] if name == "cp" else files.pop(options[0])
    elif name in ("curl", "wget"):
        done.fetched += options
    if target:
        files[target] = ((files.get(target, "") if append else "") + result)[:_LONGEST]
        return ""
    return (result + "\n" * bool(result))[:_LONGEST]


def _covers(option: str, path: str) -> bool:
    """Return whether ``rm`` of a name, a folder or ``*`` takes a file with it."""
    return option in ("*", ".", "/", "/*") or path == option or path.startswith(option.rstrip("/") + "/")
