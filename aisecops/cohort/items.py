"""Item statistics of classical test theory: is an exercise too easy, too hard, does it tell strong from weak?

An *item* is an exercise or one of its checks. Its *difficulty* is the mean share of its points that learners
reached: 1 is easiest. Its *discrimination* is the correlation of its points with the points of all the other
items (*corrected item-total correlation*; with itself in the total an item would agree with itself). The
*upper-lower index* is the mean share in the best 27 % less that in the weakest 27 %, again by the points of
all the other items.

Sources: T. L. Kelley, The selection of upper and lower groups for the validation of test items, Journal of
Educational Psychology 30 (1939), 17–24, for the 27 %. A. Kelava and H. Moosbrugger, Deskriptivstatistische
Itemanalyse und Testwertbestimmung, in Testtheorie und Fragebogenkonstruktion (2020), 143–158, for the bound
0.2 of discrimination, as a rule of thumb.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]

EASY, HARD, WEAK = 0.95, 0.30, 0.20
KELLEY = 0.27
FEWEST = 10  # students, for a statement about an item
FEWEST_IN_GROUP = 10  # students, in the upper and in the lower group
_DRAWS, _SEED, _LEVEL = 1000, 20260101, 95
_MOST_VOID = 0.05  # of all draws, that may lack variance


def statistics(points: "pd.DataFrame", most: "pd.Series[float]") -> "pd.DataFrame":
    """Return the statistics of items.

    Args:
        points: reached, with a row for each student and a column for each item; NaN where not yet graded.
        most: points that can be reached, by item.

    Returns:
        One row for each item: ``points``, ``n`` students, ``difficulty`` (0 to 1), ``discrimination`` (−1 to
        1) with its 95 % bootstrap interval ``low`` to ``high``, ``upper_lower`` (−1 to 1), and ``reading``,
        the same in words. What can't be told is NaN.
    """
    import pandas as pd

    graded = points.dropna(how="all")
    complete = graded.columns[graded.notna().all()]  # only these make totals that can be compared
    total = graded[complete].sum(axis=1)
    rows = {}
    for item in graded.columns:
        has = graded[item].notna()
        own, all_points = graded.loc[has, item].to_numpy(float), total[has].to_numpy(float)
        rest = all_points - own if item in complete else all_points
        low, high = interval(own, rest)
        rows[item] = {
            "points": most[item],
            "n": len(own),
            "difficulty": own.mean() / most[item] if len(own) else np.nan,
            "discrimination": correlation(own, rest),
            "low": low,
            "high": high,
            "upper_lower": upper_lower(own / most[item], rest),
        }
    frame = pd.DataFrame.from_dict(rows, orient="index")
    frame["reading"] = [_reading(*row) for row in frame.itertuples(index=False)]
    return frame


def correlation(one: Array, other: Array) -> float:
    """Return Pearson's correlation of two samples of the same length; NaN where one does not vary."""
    if len(one) < 3 or np.ptp(one) == 0 or np.ptp(other) == 0:
        return float("nan")
    return float(np.corrcoef(one, other)[0, 1])


def interval(one: Array, other: Array) -> tuple[float, float]:
    """Return the 95 % interval of the correlation: percentiles of a seeded bootstrap over students.

    NaN for fewer than ten students, or where draws lack variance.
    """
    nothing = float("nan"), float("nan")
    if len(one) < FEWEST or np.isnan(correlation(one, other)):
        return nothing
    drawn = np.random.default_rng(_SEED).integers(len(one), size=(_DRAWS, len(one)))
    x, y = one[drawn], other[drawn]
    varies = (np.ptp(x, axis=1) > 0) & (np.ptp(y, axis=1) > 0)
    if np.mean(~varies) > _MOST_VOID:
        return nothing
    x, y = (part[varies] - part[varies].mean(axis=1, keepdims=True) for part in (x, y))
    found = (x * y).sum(axis=1) / np.sqrt((x**2).sum(axis=1) * (y**2).sum(axis=1))
    low, high = np.percentile(found, [(100 - _LEVEL) / 2, (100 + _LEVEL) / 2])
    return float(low), float(high)


def upper_lower(share: Array, rest: Array) -> float:
    """Return the mean share of the best 27 % less that of the weakest 27 %.

    NaN for groups below ten students. Students with the same points at a group's edge count in part, so that
    nothing hangs on their order.
    """
    size = round(KELLEY * len(rest))
    if size < FEWEST_IN_GROUP:
        return float("nan")
    return float(np.average(share, weights=_best(rest, size)) - np.average(share, weights=_best(-rest, size)))


def _best(total: Array, size: int) -> Array:
    edge = np.sort(total)[-size]
    above, at = total > edge, total == edge
    weights: Array = above + at * (size - above.sum()) / at.sum()
    return weights


def _reading(
    points: float, n: int, difficulty: float, discrimination: float, low: float, high: float, _: float
) -> str:
    """Say in plain words what the numbers say, and what they can't."""
    if n < FEWEST:
        return f"{n} students: too few to say" if n else "not graded yet"
    if difficulty in (0, 1):
        return (
            "everybody has all points: too easy?" if difficulty else "nobody has a point: look at the check"
        )
    said = []
    if difficulty >= EASY:
        said.append("too easy")
    if difficulty <= HARD:
        said.append("too hard")
    if np.isnan(discrimination):
        said.append("everybody has the same points" if len(said) == 0 else "")
    elif discrimination < WEAK:
        what = "the weak do better than the strong" if high < 0 else "does not tell strong from weak"
        # An interval that cannot be told leaves as much doubt as a wide one.
        said.append(f"{what}: look at the check" + ("" if high < WEAK else " (uncertain)"))
    return "; ".join(filter(None, said)) or "fine"
