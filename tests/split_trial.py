"""Tries every answer and every cheat of a month under split execution: ``python -m tests.split_trial month-01``.

Two processes run the month side by side, the trusted one with the source, the student one with what a
learner sees and the solutions of earlier exercises. At each exercise both fork for each answer, and the
pair grades it. Prints a JSON line for each.
"""

import json
import os
import socket
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from aisecops.grading.forks import Ended, Forks
from aisecops.grading.plan import HIDDEN, Cell, cells_of
from aisecops.grading.shell import Shell
from aisecops.grading.split import Student, Trusted
from aisecops.quality.answers import Answer, load, load_cheats

ROOT = Path(__file__).resolve().parents[1]


def student(control: socket.socket) -> None:
    """Run what the other side says; on ``fork``, answer questions over the socket that comes with it."""
    import signal

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the forks
    os.chdir(tempfile.mkdtemp())
    shell = Shell.instance()
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, 1 << 20, 1)
        if not message:
            os._exit(0)
        if descriptors:
            if os.fork() == 0:
                control.close()
                Student(socket.socket(fileno=descriptors[0]), shell).serve()
                os._exit(0)
            os.close(descriptors[0])
        else:
            shell.run(message.decode())
        control.sendall(b".")


def say(control: socket.socket, message: bytes, *descriptors: int) -> None:
    socket.send_fds(control, [message], descriptors)
    assert control.recv(1) == b"."


def main(name: str) -> None:
    os.environ["MPLBACKEND"] = "agg"
    os.environ.pop("DISPLAY", None)
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for end in (here, there):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    if os.fork() == 0:  # before this process has seen a solution or a test
        here.close()
        student(there)
    there.close()

    import nbformat
    from nbgrader.utils import determine_grade

    notebook = nbformat.read(ROOT / "source" / name / f"{name}.ipynb", as_version=4)
    answers, cheats = load(ROOT, name).answers, load_cheats(ROOT)
    exercises = {
        e["id"]: e for e in json.loads((ROOT / "release" / "exercises.json").read_text(encoding="utf-8"))
    }
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    by_id = {cell.id: cell for cell in code}
    shell = Shell.instance()
    shell.run("1 / 0")
    forks = Forks(2)

    def grade(cells: list[Cell], checks: dict[str, float], channel: socket.socket) -> dict[str, Any]:
        outputs = Trusted(channel, shell).grade(cells)
        points, said = 0.0, []
        for check in checks:
            cell = by_id[check]
            cell.outputs = [nbformat.from_dict(output) for output in outputs[check]]
            points += determine_grade(cell)[0]
            said += [f"{o.ename}: {o.evalue}" for o in cell.outputs if o.output_type == "error"]
            said += [o.text for o in cell.outputs if o.get("name") == "stderr"]
        return {"score": points, "said": said}

    def report(answer: Answer, exercise: str, most: float, ended: Ended) -> None:
        result = ended.value or {"score": -1, "said": [ended.died]}
        cheat = not answer.exercise
        print(json.dumps({
            "exercise": exercise, "title": answer.title, "cheat": cheat, "deserves": answer.score, "most": most,
            "says": answer.says, **result,
        }), flush=True)  # fmt: skip

    for position, cell in enumerate(code):
        exercise = cell.id.removesuffix("-solution")
        checks = {
            c["cell"]: c["points"]
            for c in exercises.get(exercise, {"checks": []})["checks"]
            if not c["by_hand"]
        }
        if exercise != cell.id and checks:
            last = max(position for position, c in enumerate(code) if c.id in checks)
            prelude = f"FUNCTIONS = {cells_of(notebook)[position].defines!r}\n"
            mine = [answer for answer in answers if answer.exercise == exercise]
            solution, tried = cell.source, [(answer, answer.source) for answer in mine]
            tried += [(cheat, prelude + cheat.source) for cheat in cheats]
            tried.append((Answer(exercise, "solution", solution, 0, None, ""), solution))
            for answer, source in tried:
                cell.source = source
                cells = cells_of(notebook)[position : last + 1]
                trusted, learners = socket.socketpair()
                say(here, b"fork", learners.fileno())
                learners.close()
                forks.start(
                    partial(grade, cells, checks, trusted),
                    partial(report, answer, exercise, sum(checks.values())),
                    120,
                )
                trusted.close()
            forks.drain()
            cell.source = solution
        shell.run(cell.source)
        say(here, HIDDEN.sub("", cell.source).encode())
    here.close()


if __name__ == "__main__":
    main(sys.argv[1])
