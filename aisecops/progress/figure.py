"""The progress chart as a matplotlib figure: for paper, and where no widget runs."""

from typing import TYPE_CHECKING

from aisecops.progress.summary import Summary, summarise

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def figure(summary: Summary | None = None) -> "Figure":
    """Draw the months of all six phases with their points, self-checked and graded apart.

    Its metadata and ``summary.sentence()`` say the same in words.
    """
    import matplotlib.pyplot as plt

    summary = summary or summarise()
    with plt.style.context("aisecops.course"):
        drawing, axes = plt.subplots(figsize=(9, 7))
        y, ticks = 0.0, []
        for number, phase in enumerate(summary.phases, 1):
            axes.text(
                0, y - 0.75, f"Phase {number} · {phase.title}", fontweight="bold", fontsize=10, va="center"
            )
            for month in phase.months:
                ticks.append((y, f"{month.label}  {month.title}"))
                if month.published:
                    axes.barh(y - 0.17, 100, 0.3, color="#E8E8E8")
                    axes.barh(y - 0.17, 100 * month.self_checked / month.most, 0.3, color="C0")
                    graded = 100 * (month.graded or 0) / month.most
                    axes.barh(y + 0.17, graded, 0.3, color="C2", hatch="///", edgecolor="white")
                    mark = "◆" if month.milestone_reached else "◇"
                    axes.text(
                        101, y, f"{mark} {month.self_checked:g} / {month.most:g}", va="center", fontsize=9
                    )
                else:
                    axes.text(0.5, y, "not published yet", va="center", fontsize=9, color="#595959")
                y += 1
            y += 0.9
        axes.barh(0, 0, color="C0", label="self-checked")
        axes.barh(0, 0, color="C2", hatch="///", edgecolor="white", label="graded")
        axes.set_yticks(*zip(*ticks, strict=True), fontsize=9)
        axes.set(
            xlim=(0, 112),
            ylim=(y - 0.6, -1.4),
            xlabel="share of the month's points (%)",
            title="Progress through the six phases",
        )
        axes.grid(axis="y", visible=False)
        axes.legend(loc="lower right", ncols=2)
    return drawing  # type: ignore[no-any-return]
