"""Writes environment.yml, for conda and Binder, from the lock. `make lock` runs it."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HEAD = """\
# The pins of requirements.lock for conda and Binder. Written by `make lock`; do not edit.
name: ai-secops-lab
channels: [conda-forge]
dependencies:
  - python=3.11
  - pip
  - pip:
"""


def environment(lock: str, project: str) -> str:
    """Return the text of environment.yml for those of a lock and pyproject.toml, which pins PyTorch."""
    wanted = tomllib.loads(project)["project"]["dependencies"]
    pins = [pin for pin in wanted if pin.startswith("torch==")]
    pins += [line.rstrip(" \\") for line in lock.splitlines() if line[:1].isalnum()]
    return HEAD + "".join(f'      - "{pin}"\n' for pin in pins) + "      - --editable .\n"


if __name__ == "__main__":
    lock, project = (
        (ROOT / name).read_text(encoding="utf-8") for name in ("requirements.lock", "pyproject.toml")
    )
    text = environment(lock, project)
    (ROOT / "environment.yml").write_text(text, encoding="utf-8")
