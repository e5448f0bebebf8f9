"""Finding the course, writing files safely, and the pins that must agree."""

import os
import tomllib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest
import yaml

from aisecops import course
from aisecops.course import CourseError
from aisecops.doctor import examine, pins
from tests.conftest import ROOT
from tools.environment import environment


def test_the_course_is_found_from_any_folder_below_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AISECOPS_COURSE", raising=False)
    (tmp_path / "roadmap.yaml").touch()
    deep = tmp_path / "workspace" / "month-01"
    deep.mkdir(parents=True)
    monkeypatch.chdir(deep)
    assert course.root() == tmp_path


def test_a_named_course_that_is_none_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AISECOPS_COURSE", str(tmp_path))
    with pytest.raises(CourseError, match=r"no roadmap.yaml in .*: run the command inside the course"):
        course.root()


def test_the_desk_can_lie_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AISECOPS_DESK", str(tmp_path / "desk"))
    assert course.desk() == tmp_path / "desk"


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "folder"
    target.mkdir()
    (target / "inside").touch()
    with pytest.raises(CourseError, match="cannot write"):
        course.write(target, "text")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_a_written_file_can_be_read_by_others(tmp_path: Path) -> None:
    previous = os.umask(0o022)
    try:
        course.write(tmp_path / "file", "text")
    finally:
        os.umask(previous)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o644


def test_conda_and_binder_get_the_pins_of_the_lock() -> None:
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    text = (ROOT / "environment.yml").read_text(encoding="utf-8")
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert text == environment(lock, project), "run `make lock`"
    listed = yaml.safe_load(text)["dependencies"][-1]["pip"]
    locked = [line.rstrip(" \\") for line in lock.splitlines() if line[:1].isalnum()]
    torch = next(
        pin for pin in tomllib.loads(project)["project"]["dependencies"] if pin.startswith("torch==")
    )
    assert listed == [torch, *locked, "--editable ."]


def test_every_dependency_is_pinned_alike_in_pyproject_and_lock() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    locked, developers = pins(ROOT / "requirements.lock"), pins(ROOT / "requirements-dev.lock")
    assert "torch" not in locked, "which build of PyTorch it is, is up to the package index"
    for requirement in project["project"]["dependencies"]:
        name, _, version = requirement.partition("==")
        assert name == "torch" or locked[name] == version
    for requirement in project["dependency-groups"]["dev"]:
        name, _, version = requirement.partition("==")
        assert developers[name.lower()] == version
    assert locked.items() <= developers.items(), "developers test with the versions that learners run"


def test_locks_pin_by_hash_and_name_no_registry() -> None:
    for name in ("requirements.lock", "requirements-dev.lock"):
        text = (ROOT / name).read_text(encoding="utf-8")
        assert "://" not in text
        assert text.count("==") <= text.count("--hash=sha256:")


def test_the_doctor_says_what_is_missing_and_how_to_get_it(course: Path) -> None:
    (course / "requirements.lock").write_text(
        "numpy==0.1 \\\n    --hash=sha256:0\nno-such-package==1\n", encoding="utf-8"
    )
    findings = {finding.what: finding for finding in examine()}
    packages = findings["locked packages"]
    assert not packages.ok
    assert "locked 0.1" in packages.detail
    assert "no-such-package missing" in packages.detail
    assert packages.remedy
    assert findings["Python"].ok
    assert all(finding.remedy or finding.ok for finding in findings.values())


def test_the_doctor_misses_pytorch_too(course: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (course / "requirements.lock").write_text("", encoding="utf-8")
    packages = {finding.what: finding for finding in examine()}["locked packages"]
    assert packages.ok, packages.detail

    def without_torch(name: str) -> str:
        if name == "torch":
            raise PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr("aisecops.doctor.version", without_torch)
    packages = {finding.what: finding for finding in examine()}["locked packages"]
    assert packages.detail.startswith("torch missing, locked ")


def test_a_missing_lock_is_one_sentence(course: Path) -> None:
    with pytest.raises(CourseError, match="restore it from git"):
        examine()
