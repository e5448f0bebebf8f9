"""The real course: nothing wrong in its prose, its labels and its tools; its coverage page is up to date."""

from pathlib import Path

import matplotlib.pyplot as plt
import pytest

from aisecops import standards
from aisecops.course import CourseError
from aisecops.quality import coverage, labels, months, prose, tools
from aisecops.roadmap import load
from tests.conftest import ROOT


@pytest.mark.parametrize("module", [labels, months, prose, tools], ids=lambda module: module.__name__)
def test_the_course_has_no_fault(module) -> None:
    assert [str(finding) for finding in module.check(ROOT) if not finding.note] == []


def test_the_coverage_page_is_up_to_date() -> None:
    assert (ROOT / "docs" / "coverage.md").read_text(encoding="utf-8") == coverage.markdown(ROOT), (
        "run `aisecops coverage`"
    )
    assert (ROOT / "docs" / "coverage.html").read_text(encoding="utf-8") == coverage.html(ROOT)
    assert (ROOT / "docs" / "coverage.png").stat().st_size > 10_000


def test_the_coverage_page_shows_the_whole_roadmap_and_what_is_missing() -> None:
    rows = coverage.rows(ROOT)
    objectives = [objective.id for month in load().months for objective in month.objectives]
    assert [row.objective for row in rows] == objectives
    page = coverage.markdown(ROOT)
    for row in rows:
        assert row.title in page
        if row.written:
            assert all(exercise.title in page for exercise in row.exercises)
            assert all(str(standards.lookup(label)) in page for label in row.labels)
    assert page.index("Not written yet") < page.index("m18 Interview Preparation")
    assert all(tool.name in page for tool in tools.tools(load()))


def test_the_heat_map_counts_exercises() -> None:
    figure = coverage.figure(ROOT)
    (axes,) = figure.axes
    rows = [row for row in coverage.rows(ROOT) if row.written]
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        f"{row.objective} {row.text}" for row in rows
    ]
    shown = sum(int(text.get_text()) for text in axes.texts if text.get_text().isdigit())
    expected = sum(
        len({standards.lookup(label).source for label in exercise.standards})
        for row in rows
        for exercise in row.exercises
    )
    assert shown == expected
    assert "Heat map of" in coverage.words(rows)
    plt.close(figure)


def test_writing_the_page_twice_changes_nothing(course: Path) -> None:
    from aisecops.build import build

    build()
    assert len(coverage.write_all(course)) == 3
    assert coverage.write_all(course) == []


def test_a_tool_counts_as_used_where_a_fitting_month_imports_it(course: Path) -> None:
    notebook = course / "notebooks" / "month-01.py"
    text = notebook.read_text(encoding="utf-8")
    notebook.rename(course / "notebooks" / "month-06.py")
    notes = [finding for finding in tools.check(course) if finding.note]
    faults = [finding for finding in tools.check(course) if not finding.note]
    assert {finding.sentence.split(" fits")[0] for finding in faults} == {"Guardrails AI", "NeMo Guardrails"}
    assert "SHAP (m05 or m08)" in notes[0].sentence
    used = "import guardrails\nfrom aisecops.toolbox import nemoguardrails\nnumbers = [3, 1, 2]"
    (course / "notebooks" / "month-06.py").write_text(
        text.replace("numbers = [3, 1, 2]", used), encoding="utf-8"
    )
    assert [finding for finding in tools.check(course) if not finding.note] == []


def test_the_tools_file_and_the_roadmap_name_the_same_tools(course: Path) -> None:
    path = course / "roadmap.yaml"
    path.write_text(
        path.read_text(encoding="utf-8").replace("- {id: lime, name: LIME}\n", ""), encoding="utf-8"
    )
    with pytest.raises(CourseError, match="lime"):
        tools.tools(load(path))


GLOSSARY = "resources/AI-SecOps/glossary.md"


def found(course: Path, check: str) -> list[str]:
    return [str(finding) for finding in prose.check(course) if finding.check == check]


@pytest.fixture
def texts(course: Path) -> Path:
    """The tiny course with a glossary of two terms."""
    folder = course / "resources" / "AI-SecOps"
    folder.mkdir()
    (folder / "glossary.md").write_text(
        "# Glossary\n\n**exact match** (also: EM): equal. *Month 1*\n\n**tiny lab**: a small one. *Month 1*\n",
        encoding="utf-8",
    )
    (folder / "overview.md").write_text("# Overview\n\nAn EM is exact.\n", encoding="utf-8")
    edit(course, "# A tiny lab.", "# A *tiny lab*.")
    return course


def edit(course: Path, before: str, after: str, file: str = "notebooks/month-01.py") -> None:
    path = course / file
    text = path.read_text(encoding="utf-8")
    assert before in text
    path.write_text(text.replace(before, after, 1), encoding="utf-8")


def test_terms_that_are_defined_pass(texts: Path) -> None:
    assert found(texts, "terms") == []


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ("# A *tiny lab*.", "# A tiny lab.", "month-01.py:2: terms: “tiny lab” is used before it is defined"),
        (
            "# A *tiny lab*.",
            "# Two tiny-labs.\n#\n# A text.",
            "month-01.py:2: terms: “tiny lab” is used before",
        ),
        ("# A *tiny lab*.", "# A *tiny lab* in QRT.", "month-01.py:2: terms: QRT is not explained"),
        ("# A *tiny lab*.", "# A lab.", "glossary.md:5: terms: no text uses “tiny lab”"),
    ],
)
def test_terms_that_are_not_defined_are_found(texts: Path, before: str, after: str, says: str) -> None:
    edit(texts, before, after)
    assert [line for line in found(texts, "terms") if says in line], found(texts, "terms")


def test_the_glossary_is_sorted_and_readable(texts: Path) -> None:
    edit(texts, "**tiny lab**", "**a lab**", GLOSSARY)
    with pytest.raises(CourseError, match=r"glossary.md:5: .*sort"):
        prose.check(texts)
    edit(texts, "**a lab**:", "**a lab**", GLOSSARY)
    with pytest.raises(CourseError, match=r"glossary.md:5: write"):
        prose.check(texts)


@pytest.mark.parametrize(
    ("check", "after", "says"),
    [
        (
            "links",
            "# [x](../resources/none.md)",
            "month-01.py:2: links: the link to ../resources/none.md leads nowhere",
        ),
        ("links", "# [x](../resources/AI-SecOps/glossary.md#none)", "no heading for #none"),
        ("alt", '# <img src="a.png">', "month-01.py:2: alt"),
        ("alt", "# ![short](../resources/AI-SecOps/glossary.md)", "month-01.py:2: alt"),
        ("headings", "# # A title", "second heading of level 1"),
        ("headings", "# #### Deep", "right below level 1"),
        ("headings", "# ## Twice\n#\n# ## Twice", "“Twice” is the heading of two parts"),
        ("headings", "# ## 2 · Second", "comes where 1 · is due"),
    ],
)
def test_prose_that_is_broken_is_found(texts: Path, check: str, after: str, says: str) -> None:
    clean = set(found(texts, check))
    edit(texts, "# A *tiny lab*.", f"{after}\n#\n# A *tiny lab*.")
    new = [line for line in found(texts, check) if line not in clean]
    assert any(says in line for line in new), new


def test_links_and_pictures_in_code_are_left_alone(texts: Path) -> None:
    clean = prose.check(texts)
    edit(
        texts,
        "# A *tiny lab*.",
        "# A *tiny lab*.\n#\n# ```\n# [x](none.md) ![](a.png) QRT\n# # No heading\n# ```",
    )
    assert [f.sentence for f in prose.check(texts)] == [f.sentence for f in clean]
