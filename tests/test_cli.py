"""The command as a person meets it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from aisecops.cli import app

run = CliRunner().invoke


def test_help_names_every_verb() -> None:
    result = run(app, ["--help"])
    assert result.exit_code == 0
    for verb in ("lab", "open", "build", "progress", "doctor"):
        assert verb in result.output


def test_help_loads_nothing_heavy() -> None:
    code = "import sys, aisecops.cli; print([m for m in ('numpy', 'pandas', 'pydantic', 'yaml', 'rich', 'IPython', 'nbformat') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_build_open_and_progress_work_together(course: Path) -> None:
    result = run(app, ["build"])
    assert result.exit_code == 0, result.output
    assert "month-01 built: source/month-01/month-01.ipynb" in result.output
    result = run(app, ["open", "m01"])
    assert result.output.strip() == str(course / "workspace" / "month-01" / "month-01.ipynb")
    result = run(app, ["progress"])
    assert result.exit_code == 0, result.output
    assert "AI Security Overview" in result.output


def test_a_stale_file_fails_the_check(course: Path) -> None:
    assert run(app, ["build"]).exit_code == 0
    result = run(app, ["build", "--check"])
    assert result.exit_code == 2
    assert "outputs not recorded" in result.output


def test_opening_reports_and_merges_a_newer_release(course: Path) -> None:
    run(app, ["build"])
    run(app, ["open", "m01"])
    path = course / "notebooks" / "month-01.py"
    path.write_text(path.read_text(encoding="utf-8").replace("A tiny lab.", "A small lab."), encoding="utf-8")
    run(app, ["build"])
    assert "newer release of month-01" in run(app, ["open", "m01"]).output
    assert run(app, ["open", "m01", "--merge"]).output.strip().endswith("month-01-merged.ipynb")


MISTAKES = {
    "an unknown month": (["open", "m42"], "m42"),
    "a month that does not exist": (["build", "m07"], "notebooks/month-07.py"),
    "a month not published": (["open", "m07"], "not published yet"),
    "importing what is not there": (["progress", "import", "nowhere.jsonl"], "nowhere.jsonl"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_sentence_and_exit_code_2(course: Path, mistake: str) -> None:
    run(app, ["build"])
    arguments, sentence = MISTAKES[mistake]
    result = run(app, arguments)
    assert result.exit_code == 2
    assert sentence in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_a_broken_roadmap_is_one_sentence_with_its_line(course: Path) -> None:
    path = course / "roadmap.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("id: phase-2", "id: phase-7"), encoding="utf-8")
    for command in (["build"], ["progress"]):
        result = run(app, command)
        assert result.exit_code == 2
        assert "roadmap.yaml:" in result.stderr
        assert len(result.stderr.strip().splitlines()) == 1


def test_outside_a_course_the_command_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AISECOPS_COURSE", str(tmp_path))
    result = run(app, ["doctor"])
    assert result.exit_code == 2
    assert "run the command inside the course" in result.stderr


def test_doctor_lists_what_it_looked_at(course: Path) -> None:
    (course / "requirements.lock").write_text("", encoding="utf-8")
    result = run(app, ["doctor"], env={"COLUMNS": "200"})
    assert result.exit_code == 0, result.output
    for what in ("Python", "progress hook", "memory", "Chromium"):
        assert what in result.output


def test_the_installed_command_ends_with_2(course: Path) -> None:
    command = [os.path.join(os.path.dirname(sys.executable), "aisecops"), "open", "m42"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("aisecops: ")
    assert "Traceback" not in done.stderr
