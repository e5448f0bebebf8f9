"""What learners read: links lead somewhere, pictures have a text alternative, figures are said in words."""

import re
from pathlib import Path

import nbformat
import pytest

from tests.conftest import ROOT

STUDY_TEXTS = sorted((ROOT / "resources").rglob("*.md"))
NOTEBOOKS = sorted((ROOT / "release").rglob("*.ipynb"))
SOURCES = sorted((ROOT / "source").rglob("*.ipynb"))
LINK = re.compile(r"(!?)\[([^\]]*)\]\((?!https?:)([^)#\s]+)")


def on_desk(notebook: Path) -> Path:
    """Where a released notebook lies once it is opened, with the course root standing for the desk."""
    return ROOT / notebook.relative_to(ROOT / "release")


@pytest.mark.parametrize(
    "path", [*STUDY_TEXTS, ROOT / "README.md", ROOT / "CONTRIBUTING.md"], ids=lambda p: p.name
)
def test_links_of_a_text_lead_somewhere(path: Path) -> None:
    for _, _, target in LINK.findall(path.read_text(encoding="utf-8")):
        place = (path.parent / target).resolve()
        assert place.exists(), target
        if path in STUDY_TEXTS:  # on the desk, nothing outside resources/ is within reach
            assert place.is_relative_to(ROOT / "resources"), target


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_links_of_a_notebook_lead_somewhere_on_the_desk(path: Path) -> None:
    for cell in nbformat.read(path, as_version=4).cells:
        for _, _, target in LINK.findall(cell.source) if cell.cell_type == "markdown" else ():
            assert (on_desk(path).parent / target).resolve().exists(), target


@pytest.mark.parametrize("path", STUDY_TEXTS, ids=lambda p: p.name)
def test_pictures_have_a_text_alternative(path: Path) -> None:
    pictures = [alt for bang, alt, _ in LINK.findall(path.read_text(encoding="utf-8")) if bang]
    assert len(pictures) >= 3
    assert all(len(alt) > 40 for alt in pictures)


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: p.stem)
def test_every_figure_of_a_month_is_said_in_words(path: Path) -> None:
    figures = 0
    for cell in nbformat.read(path, as_version=4).cells:
        outputs = cell.get("outputs", [])
        if any("image/png" in output.get("data", {}) for output in outputs):
            figures += 1
            assert any("In words:" in output.get("text", "") for output in outputs), cell.id
    assert figures >= 3


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: p.stem)
def test_a_month_takes_six_to_ten_hours(path: Path) -> None:
    header = nbformat.read(path, as_version=4).cells[0].source
    assert 6 <= int(re.search(r"about (\d+) hours", header)[1]) <= 10
