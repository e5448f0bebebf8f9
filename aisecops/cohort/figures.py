"""The pictures of a class, each with the same in words."""

import base64
import html
import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from aisecops.cohort.items import EASY, FEWEST, HARD, WEAK
from aisecops.course import CourseError, write

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_BLUE, _ORANGE, _GREEN, _GREY = "#0072B2", "#D55E00", "#009E73", "#595959"
_FEW = 20  # students, who are shown as dots rather than in bins
_MOST_BARS = 12
_BINS = [5 * n for n in range(21)]


@dataclass(frozen=True)
class Picture:
    """A figure and the same in words, which stand below it and are its text alternative."""

    figure: "Figure"
    words: str

    def png(self) -> bytes:
        """Return the figure as a PNG file."""
        data = io.BytesIO()
        self.figure.savefig(data, format="png")
        return data.getvalue()

    def save(self, path: Path) -> None:
        """Write the figure to a PNG file."""
        write(path, self.png())

    def _repr_html_(self) -> str:
        words = html.escape(self.words)
        picture = base64.b64encode(self.png()).decode()
        return f'<img alt="{words}" src="data:image/png;base64,{picture}"><p>In words: {words}</p>'


def scores(month: str, frame: "pd.DataFrame", most: dict[str, float], waiting: int) -> Picture:
    """Draw how many learners have which share of the automatic points, of those by hand, and of all.

    Args:
        month: such as ``month-01``.
        frame: the graded learners with their points, in columns of these names.
        most: points that can be reached, by column; a column with 0 is left out.
        waiting: how many learners wait for points by hand.
    """
    kinds = {
        "automatic": ("automatic points", _BLUE, ""),
        "by_hand": ("points given by hand", _ORANGE, "///"),
        "total": ("all points", _GREEN, ""),
    }
    shown = [kind for kind in kinds if most[kind]]
    figure, panels = _panels(len(shown), 1, height=0.9 + 1.75 * len(shown), sharex=True)
    words = []
    for panel, kind in zip(panels, shown, strict=True):
        title, colour, hatch = kinds[kind]
        share = 100 * frame[kind].dropna().to_numpy(float) / most[kind]
        label = f"{title}, of {most[kind]:g} · n = {len(share)}"
        if len(share):
            _distribution(panel, share, colour, hatch)
            median = float(np.median(share))
            panel.axvline(median, color="black", linestyle="--", linewidth=1.5)
            label += f" · median {median * most[kind] / 100:g}"
            words.append(
                f"{title}: {len(share)} learners, {share.min() * most[kind] / 100:g} to"
                f" {share.max() * most[kind] / 100:g} of {most[kind]:g}, median {median * most[kind] / 100:g}"
            )
        else:
            panel.text(50, 0.5, "none given yet", ha="center", va="center", color=_GREY)
            panel.set_yticks([])
            words.append(f"{title}: none given yet")
        panel.set_title(label, fontsize=10)
        panel.set(xlim=(-2, 102), ylabel="learners")
    panels[-1].set_xlabel("share of the points (%); the dashed line is the median")
    note = f"; {waiting} wait for points by hand" if waiting else ""
    figure.suptitle(f"{month}: points{note}", fontweight="bold", fontsize=12)
    return Picture(figure, "; ".join(words) + note + ".")


def _distribution(panel: "Axes", share: Any, colour: str, hatch: str) -> None:
    """Draw bins for many learners, and for a few one dot each: bins of three learners tell nothing."""
    from matplotlib.ticker import MaxNLocator

    if len(share) >= _FEW:
        panel.hist(np.clip(share, 0, 100), _BINS, color=colour, hatch=hatch, edgecolor="white")
        panel.set_ylim(bottom=0)
    else:
        bins = np.round(share / 2.5)
        height = [1 + int(np.sum(bins[:n] == bins[n])) for n in range(len(bins))]
        panel.plot(share, height, "o", color=colour, markersize=9)
        panel.set_ylim(0, max(3, *height) + 0.6)
    panel.yaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))


def items(month: str, frame: "pd.DataFrame") -> Picture:
    """Draw difficulty and discrimination of items.

    Args:
        month: such as ``month-01``.
        frame: as :func:`aisecops.cohort.items.statistics` returns it.
    """
    figure, (left, right) = _panels(1, 2, height=1.6 + 0.34 * len(frame), sharey=True)
    y = np.arange(len(frame))
    left.axvspan(0, HARD, color="#F0F0F0")
    left.axvspan(EASY, 1, color="#F0F0F0")
    left.plot(frame.difficulty, y, "o", color=_BLUE)
    left.set(xlim=(-0.03, 1.03), xlabel="difficulty: mean share of points", yticks=y)
    left.set_yticklabels([f"{item} ({n})" for item, n in zip(frame.index, frame.n, strict=True)], fontsize=9)
    left.set_title("grey: too hard, too easy", fontsize=10)
    left.invert_yaxis()
    right.axvline(0, color=_GREY, linewidth=1)
    right.axvline(WEAK, color="black", linestyle="--", linewidth=1.2)
    told = frame.discrimination.where(frame.n >= FEWEST)
    right.hlines(y, frame.low, frame.high, color=_ORANGE, linewidth=1.6)
    right.plot(told, y, "D", color=_ORANGE, markersize=5)
    right.set(xlim=(-1.03, 1.03), xlabel="discrimination, with 95 % interval")
    right.set_title(f"left of the dashed line ({WEAK}): weak", fontsize=10)
    for n in y[told.isna().to_numpy()]:
        right.text(-0.98, n, "cannot be told", va="center", fontsize=8, color=_GREY)
    figure.suptitle(f"{month}: items (number of learners)", fontweight="bold", fontsize=12)
    odd = frame[frame.reading != "fine"]
    said = "; ".join(f"{item}: {reading}" for item, reading in odd.reading.items())
    return Picture(figure, f"{len(frame)} items, {len(frame) - len(odd)} of them fine. {said}".strip())


def failures(month: str, share: "pd.Series[float]", n: int) -> Picture:
    """Draw the checks that most learners fail.

    Args:
        month: such as ``month-01``.
        share: of the learners who fail (0 to 1), by check, the most first.
        n: how many learners there are.
    """
    top = share.head(_MOST_BARS)
    figure, (panel,) = _panels(1, 1, height=1.5 + 0.3 * max(1, len(top)))
    panel.barh(np.arange(len(top)), 100 * top, color=_ORANGE, height=0.65)
    for y, value in enumerate(100 * top):
        panel.text(value + 1, y, f"{value:.0f} %", va="center", fontsize=9)
    panel.set_yticks(np.arange(len(top)), list(top.index), fontsize=9)
    panel.set(xlim=(0, 108), xlabel=f"learners who fail the check (%), n = {n}")
    panel.invert_yaxis()
    panel.grid(axis="y", visible=False)
    panel.set_title(f"{month}: checks that learners fail", fontweight="bold")
    said = ", ".join(f"{check} {value:.0%}" for check, value in top.items())
    return Picture(figure, f"Share of {n} learners who fail a check: {said or 'none fails any'}.")


def times(month: str, frame: "pd.DataFrame", planned: dict[str, int]) -> Picture:
    """Draw active minutes of each exercise, beside the minutes it was planned for.

    Args:
        month: such as ``month-01``.
        frame: a row for each student and exercise, with columns ``exercise`` and ``minutes``.
        planned: minutes by exercise.

    Raises:
        CourseError: nobody has handed in times.
    """
    if frame.empty:
        raise CourseError(f"nobody has handed in times with {month}: there is nothing to draw")
    minutes = {name: frame.minutes[frame.exercise == name].to_numpy(float) for name in planned}
    figure, (panel,) = _panels(1, 1, height=1.9 + 0.34 * len(planned))
    words = []
    for y, (name, values) in enumerate(minutes.items()):
        if len(values) >= _FEW:
            panel.boxplot(
                values, positions=[y], orientation="horizontal", widths=0.55, whis=(5, 95), showfliers=False,
                medianprops={"color": "black", "linewidth": 2}, boxprops={"color": _BLUE},
                whiskerprops={"color": _BLUE}, capprops={"color": _BLUE},
            )  # fmt: skip
        elif len(values):
            panel.plot(values, np.full(len(values), y), "o", color=_BLUE, alpha=0.6, markersize=6)
            panel.plot([np.median(values)], [y], "|", color="black", markersize=16, markeredgewidth=2)
        if len(values):
            words.append(f"{name} {np.median(values):.0f} of {planned[name]} planned (n = {len(values)})")
        panel.plot(planned[name], y, "D", color=_ORANGE, markersize=6)
    panel.plot([], [], "D", color=_ORANGE, label="planned")
    panel.plot([], [], "|", color="black", markersize=12, markeredgewidth=2, label="median of learners")
    labels = [f"{name} ({len(values)})" for name, values in minutes.items()]
    panel.set_yticks(range(len(labels)), labels, fontsize=9)
    panel.set(xlabel="active minutes; box: middle half, whiskers: 5 % to 95 %, dots: single learners")
    panel.set_xlim(left=0)
    panel.invert_yaxis()
    panel.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, fontsize=9, frameon=False)
    figure.suptitle(f"{month}: time on task (number of learners)", fontweight="bold", fontsize=12)
    return Picture(figure, "Median active minutes: " + ", ".join(words) + ".")


def _panels(rows: int, columns: int, *, height: float, **more: Any) -> "tuple[Figure, list[Axes]]":
    """Make a figure that no notebook shows by itself, in the course's look."""
    import matplotlib.style
    from matplotlib.figure import Figure

    with matplotlib.style.context("aisecops.course"):
        figure = Figure(figsize=(8, height))
        panels = figure.subplots(rows, columns, squeeze=False, **more)
    return figure, list(panels.flat)
