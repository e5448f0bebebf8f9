"""A learner's first hour in a real browser: start, open month 1, fail a check, pass it, see the chart move."""

import json
import os
import socket
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.conftest import ARTIFACTS, ROOT, running_lab

pytestmark = pytest.mark.browser

SECOND = 1000
SOLVED = {
    cell.id: cell.source
    for cell in nbformat.read(ROOT / "source/month-01/month-01.ipynb", as_version=4).cells
}

# JupyterLab draws only the cells in view, so cells are addressed through the application itself.
RUN_CELL = """async ([id, source]) => {
    const app = window.jupyterapp;
    const notebook = app.shell.currentWidget.content;
    const index = notebook.widgets.findIndex(cell => cell.model.id === id);
    notebook.activeCellIndex = index;
    await notebook.scrollToItem(index);
    if (source !== null) notebook.widgets[index].model.sharedModel.setSource(source);
    await app.commands.execute('notebook:run-cell');
    return JSON.stringify(notebook.widgets[index].model.outputs.toJSON());
}"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The lab over an empty desk: its address, and the desk."""
    desk = tmp_path_factory.mktemp("desk")
    environment = {**os.environ, "AISECOPS_COURSE": str(ROOT), "AISECOPS_DESK": str(desk)}
    with running_lab(environment, "--port", "9310") as address:
        yield address, desk


@pytest.fixture
def page(browser: Browser, lab: tuple[str, Path]) -> Iterator[Page]:
    """A fresh window on start-here, with its chart drawn. Fails the test if anything asked the internet."""
    window = browser.new_page(viewport={"width": 1400, "height": 1000})
    window.set_default_timeout(90 * SECOND)
    outside: list[str] = []
    window.on("request", lambda request: outside.append(request.url) if not _local(request.url) else None)
    window.goto(f"{lab[0]}&reset")  # not the tabs that the last test left
    window.wait_for_selector(".jp-NotebookPanel")
    window.wait_for_function(
        "() => window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'"
    )
    window.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-CodeCell").first.click()
    window.keyboard.press("Shift+Enter")
    window.wait_for_selector(".aisecops-progress .next")
    yield window
    window.close()
    assert outside == []


# What learners can check by themselves in all months that are published.
POINTS = sum(
    check["points"]
    for exercise in json.loads((ROOT / "release/exercises.json").read_text(encoding="utf-8"))
    for check in exercise["checks"]
    if not check["by_hand"]
)


def _local(address: str) -> bool:
    return "127.0.0.1" in address or address.startswith(("data:", "blob:"))


def _to_front(window: Page, title: str) -> None:
    window.locator(".lm-TabBar-tab", has_text=title).first.click()


def test_a_learner_fails_a_check_passes_it_and_sees_the_chart_move(page: Page, lab: tuple[str, Path]) -> None:
    chart = page.locator(".aisecops-progress")
    expect(chart.locator(".total")).to_contain_text(f"0 of {POINTS} points")
    page.screenshot(path=ARTIFACTS / "start-here.png")

    page.keyboard.press("Escape")
    chart.locator(".next").focus()
    page.keyboard.press("Enter")
    page.wait_for_function("() => window.jupyterapp.shell.currentWidget?.title.label === 'month-01.ipynb'")
    page.wait_for_function(
        "() => window.jupyterapp.shell.currentWidget.sessionContext.session?.kernel?.status === 'idle'"
    )
    assert (lab[1] / "month-01" / "month-01.ipynb").is_file()

    setup = [id_ for id_, source in SOLVED.items() if source.startswith("import builtins")]
    page.evaluate(RUN_CELL, [setup[0], None])
    page.evaluate(RUN_CELL, ["rates-solution", None])
    said = page.evaluate(RUN_CELL, ["rates", None])
    assert "not yet, 0 of 4 points" in said
    assert "the solution cell above is not written yet" in said
    page.screenshot(path=ARTIFACTS / "check-fails.png")

    page.evaluate(
        RUN_CELL, ["rates-solution", SOLVED["rates-solution"].replace(">= threshold", "> threshold")]
    )
    said = page.evaluate(RUN_CELL, ["rates", None])
    assert "a score equal to the threshold is flagged" in said

    page.evaluate(RUN_CELL, ["rates-solution", SOLVED["rates-solution"]])
    said = page.evaluate(RUN_CELL, ["rates", None])
    assert "public checks pass · 4 of 4 points · hidden checks run at grading" in said
    page.screenshot(path=ARTIFACTS / "check-passes.png")

    _to_front(page, "start-here.ipynb")
    expect(chart.locator(".total")).to_contain_text(f"4 of {POINTS} points", timeout=20 * SECOND)
    expect(chart.locator(".next")).to_contain_text("1.2")
    page.screenshot(path=ARTIFACTS / "chart-moved.png")


def test_the_chart_reads_in_dark_theme_and_as_a_table(page: Page) -> None:
    page.evaluate(
        "() => window.jupyterapp.commands.execute('apputils:change-theme', {theme: 'JupyterLab Dark'})"
    )
    page.wait_for_selector("[data-jp-theme-light='false']", state="attached")
    chart = page.locator(".aisecops-progress")
    chart.locator("summary").click()
    expect(chart.locator("tbody tr").first).to_contain_text("1.1 Read a filter's numbers")
    chart.screenshot(path=ARTIFACTS / "chart-dark.png")
    names = chart.locator("button.month").evaluate_all("all => all.map(b => b.getAttribute('aria-label'))")
    assert len(names) == 17
    assert all(name.startswith("Month ") for name in names)
    page.evaluate(
        "() => window.jupyterapp.commands.execute('apputils:change-theme', {theme: 'JupyterLab Light'})"
    )


def test_validate_tells_a_learner_what_is_still_open(page: Page) -> None:
    page.locator(".aisecops-progress button.month").first.click()
    page.wait_for_function("() => window.jupyterapp.shell.currentWidget?.title.label === 'month-01.ipynb'")
    page.locator(".jp-NotebookPanel:not(.lm-mod-hidden)").get_by_text("Validate").click()
    dialog = page.locator(".jp-Dialog")
    expect(dialog).to_contain_text("The following cell failed", timeout=120 * SECOND)
    page.screenshot(path=ARTIFACTS / "validate.png")


def test_learners_do_not_see_the_instructors_panels(page: Page) -> None:
    expect(page.get_by_text("Create Assignment")).to_have_count(0)
    expect(page.get_by_text("Jupyter news")).to_have_count(0)


def test_a_busy_port_moves_on_to_the_next(tmp_path: Path) -> None:
    environment = {**os.environ, "AISECOPS_COURSE": str(ROOT), "AISECOPS_DESK": str(tmp_path / "desk")}
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with running_lab(environment, "--port", str(port)) as address:
            assert f":{port}/" not in address
            with urllib.request.urlopen(address) as page:
                assert page.status == 200
