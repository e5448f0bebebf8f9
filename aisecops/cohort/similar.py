"""Which answers are more alike than the others to the same exercise: a reason to talk, no proof.

An answer becomes a row of *tokens* (words and signs of Python): comments, texts and layout are dropped, and
all names but Python's own and those after a dot become one sign, so that renaming hides nothing. What stands
in the release as well is taken out. Two rows are compared by the share of tokens that stand in both in the
same order (normalised insertion-deletion distance). To compare tokens rather than texts is the way of
L. Prechelt, G. Malpohl and M. Philippsen, Finding Plagiarisms among a Set of Programs with JPlag, Journal of
Universal Computer Science 8 (11), 2002, 1016–1038.

What counts as unusual follows from the exercise itself: answers to a narrow task are all alike.
"""

import builtins
import html
import io
import keyword
import tokenize
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import zip_longest
from zlib import crc32

import numpy as np

SHORTEST = 25  # tokens of the learner's own; shorter answers say little
NEAR_SOLUTION = 0.9  # similarity; such an answer is what the task asks for
LOWEST = 0.8  # similarity that is never called unusual below
MOST_PAIRS = 200  # of one exercise
_SPREADS = 3.5  # above the median, in standard deviations
_NORMAL = 1.4826  # makes a standard deviation of the median deviation of normal values
_LEAST_SPREAD = 0.03
_FEW_PAIRS, _LOWEST_OF_FEW = 10, 0.95
_SAMPLE, _SEED = 4000, 20260101
_BLOCK = 256  # rows compared at a time
_MOST_TOKENS = 4000
_LONGEST_ECHO = 4  # tokens that stand in the release by chance
_MOST_LINES, _MOST_WIDTH = 300, 200

_KEPT = frozenset(keyword.kwlist) | frozenset(dir(builtins))
_LAYOUT = frozenset(
    {
        tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT,
        tokenize.ENCODING, tokenize.ENDMARKER,
    }
)  # fmt: skip
# From Python 3.12 on, a formatted text comes in pieces.
_TEXT_BEGINS, _TEXT_ENDS = getattr(tokenize, "FSTRING_START", -1), getattr(tokenize, "FSTRING_END", -1)


@dataclass(frozen=True)
class Pair:
    """Two students with unusually similar answers.

    Attributes:
        exercise: its id.
        student: the one.
        other: the other.
        also: further students who have the same answer as one of the two.
        similarity: 0 to 1, where 1 means the same but for names, texts, comments and layout.
        usual: median similarity of two answers to this exercise.
        unusual_from: the similarity from which a pair is listed.
        tokens: length of the shorter answer, without what the release gives.
    """

    exercise: str
    student: str
    other: str
    also: tuple[str, ...]
    similarity: float
    usual: float
    unusual_from: float
    tokens: int


def tokens(source: str) -> str:
    """Return the tokens of code, each as one character; as far as the code can be read."""
    found: list[str] = []
    inside = 0  # a formatted text
    after_dot = False
    try:
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type == _TEXT_ENDS:
                inside -= 1
            elif token.type == _TEXT_BEGINS:
                inside += 1
                word = "a text"
            elif inside or token.type in _LAYOUT:
                continue
            elif token.type == tokenize.STRING:
                word = "a text"
            elif token.type == tokenize.NAME and not after_dot and token.string not in _KEPT:
                word = "a name"
            else:
                word = token.string
            if token.type != _TEXT_ENDS and (inside <= 1):
                found.append(word)
                after_dot = word == "."
            if len(found) >= _MOST_TOKENS:
                break
    except (tokenize.TokenError, SyntaxError, ValueError):
        pass
    # Which character does not matter, as long as it is the same everywhere.
    return "".join(chr(256 + crc32(word.encode(errors="replace")) % 50_000) for word in found)


def own(answer: str, stub: str) -> str:
    """Return the tokens of an answer without those longer stretches that stand in the release, too.

    Args:
        answer: tokens of the answer.
        stub: tokens of the release.
    """
    blocks = SequenceMatcher(None, answer, stub, autojunk=False).get_matching_blocks()
    kept, end = [], 0
    for place, _, length in blocks:
        if length > _LONGEST_ECHO or length == 0:
            kept.append(answer[end:place])
            end = place + length
    return "".join(kept)


def pairs(exercise: str, answers: Mapping[str, str], stub: str, solution: str) -> list[Pair]:
    """Return the pairs of students whose answers are unusually similar, the most similar first.

    Args:
        exercise: its id.
        answers: code by student.
        stub: the code that the release gives.
        solution: the official solution, as code.
    """
    from rapidfuzz.distance import Indel

    frame = tokens(stub)
    official = own(tokens(solution), frame)
    owners: dict[str, list[str]] = defaultdict(list)
    read: dict[str, str] = {}
    for student in sorted(answers):
        code = answers[student]
        if code not in read:
            read[code] = own(tokens(code), frame)
        owners[read[code]].append(student)
    rows = [
        row
        for row in owners
        if len(row) >= SHORTEST
        and Indel.normalized_similarity(row, official, score_cutoff=NEAR_SOLUTION) < NEAR_SOLUTION
    ]
    usual, bound = _bound([row for row in rows for _ in owners[row]])
    found = [(1.0, row, row) for row in rows if len(owners[row]) > 1]
    found += [(alike, one, other) for alike, one, other in _alike(rows, bound)]
    listed = []
    for alike, one, other in found:
        students = owners[one] if one is other else [owners[one][0], owners[other][0]]
        also = sorted({*owners[one], *owners[other]} - set(students[:2]))
        student, second = sorted(students[:2])
        length = min(len(one), len(other))
        listed.append(Pair(exercise, student, second, tuple(also), alike, usual, bound, length))
    listed.sort(key=lambda pair: (-pair.similarity, -pair.tokens, pair.student, pair.other))
    return listed[:MOST_PAIRS]


def _bound(rows: list[str]) -> tuple[float, float]:
    """Return the median similarity of two students' answers, and the similarity that is unusual.

    The spread is told from the pairs below the median, for copies stand above it. Of a large class a sample
    is enough.
    """
    from rapidfuzz.distance import Indel
    from rapidfuzz.process import cpdist

    one, other = np.triu_indices(len(rows), 1) if len(rows) <= 90 else _sample(len(rows))
    if not len(one):
        return float("nan"), _LOWEST_OF_FEW
    alike = cpdist(
        [rows[n] for n in one], [rows[n] for n in other], scorer=Indel.normalized_similarity, workers=1
    )
    median = float(np.median(alike))
    if len(one) < _FEW_PAIRS:
        return median, _LOWEST_OF_FEW
    below = alike[alike <= median]
    spread = max(_NORMAL * float(np.median(median - below)), _LEAST_SPREAD)
    return median, min(max(LOWEST, median + _SPREADS * spread), 1.0)


def _sample(count: int) -> tuple["np.ndarray[tuple[int], np.dtype[np.int64]]", ...]:
    drawn = np.random.default_rng(_SEED).integers(count, size=(2, _SAMPLE))
    one, other = drawn[:, drawn[0] != drawn[1]]
    return one, other


def _alike(rows: list[str], bound: float) -> Iterator[tuple[float, str, str]]:
    """Give the pairs of different rows that are at least so similar."""
    from rapidfuzz.distance import Indel
    from rapidfuzz.process import cdist

    # Rows of similar length lie side by side, so that most comparisons of a block end at once.
    rows = sorted(rows, key=lambda row: (len(row), row))
    for start in range(0, len(rows), _BLOCK):
        block = rows[start : start + _BLOCK]
        # The rows of two answers that are at least `bound` alike differ by no more than this in length.
        longest = len(block[-1]) * (2 - bound) / bound
        end = next((n for n in range(start, len(rows)) if len(rows[n]) > longest), len(rows))
        alike = cdist(
            block, rows[start:end], scorer=Indel.normalized_similarity, score_cutoff=bound,
            dtype=np.float32, workers=1,
        )  # fmt: skip
        best = []
        for n, m in zip(*np.nonzero(np.triu(alike, 1)), strict=True):
            best.append((float(alike[n, m]), block[n], rows[start + m]))
        yield from sorted(best, key=lambda pair: -pair[0])[:MOST_PAIRS]


@dataclass(frozen=True)
class Comparison:
    """Two answers side by side; shows as a table in a notebook.

    Attributes:
        left: whose answer stands on the left.
        right: whose stands on the right.
        lines: a mark and the two lines. ``=`` means the same, ``≈`` the same but for names, texts, comments
            and layout, ``≠`` changed, ``−`` only left, ``+`` only right.
    """

    left: str
    right: str
    lines: tuple[tuple[str, str, str], ...]

    def _repr_html_(self) -> str:
        colours = {"=": "white", "≈": "white", "≠": "#FDF0D0", "−": "#DCEBF7", "+": "#DCEBF7"}
        cell = "<td style='text-align:left;white-space:pre-wrap;font-family:monospace'>{}</td>"
        body = "".join(
            f"<tr style='background:{colours[mark]};color:black'><td>{mark}</td>"
            + "".join(cell.format(html.escape(text)) for text in (left, right))
            + "</tr>"
            for mark, left, right in self.lines
        )
        head = "".join(
            f"<th style='text-align:left'>{html.escape(name)}</th>" for name in (self.left, self.right)
        )
        return (
            "<table><caption>= the same line, ≈ but for names, texts, comments and layout, ≠ changed,"
            " − only left, + only right</caption>"
            f"<tr><th></th>{head}</tr>{body}</table>"
        )


def compare(left: str, right: str, names: tuple[str, str]) -> Comparison:
    """Set two answers side by side, line by line, without empty lines.

    Args:
        left: code.
        right: code.
        names: whose they are.
    """
    one, other = (
        [line[:_MOST_WIDTH] for line in code.splitlines() if line.strip()][:_MOST_LINES]
        for code in (left, right)
    )
    signs = [[tokens(line.strip()) for line in code] for code in (one, other)]
    lines: list[tuple[str, str, str]] = []
    for kind, a, b, c, d in SequenceMatcher(None, signs[0], signs[1], autojunk=False).get_opcodes():
        for pair in zip_longest(one[a:b], other[c:d]):
            mark = "−" if pair[1] is None else "+" if pair[0] is None else "≠"
            if kind == "equal":
                mark = "=" if pair[0] == pair[1] else "≈"
            lines.append((mark, pair[0] or "", pair[1] or ""))
    return Comparison(*names, tuple(lines))
