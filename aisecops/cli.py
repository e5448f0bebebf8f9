"""The ``aisecops`` command: one verb for each thing a person wants. No logic lives here."""

import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from aisecops.course import CourseError

app = typer.Typer(
    help="AI SecOps Lab: an 18-month career roadmap as a Jupyter course that runs.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help reads well anywhere, and saves importing rich
)
progress_app = typer.Typer(help="Your progress: show, export, import, reset.", invoke_without_command=True)
app.add_typer(progress_app, name="progress")
serve_app = typer.Typer(help="Offer the systems of the labs over HTTP.", no_args_is_help=True)
app.add_typer(serve_app, name="serve")
model_app = typer.Typer(help="The course's language model: train its checkpoints.", no_args_is_help=True)
app.add_typer(model_app, name="model")

F = TypeVar("F", bound=Callable[..., Any])
Months = Annotated[list[str] | None, typer.Argument(help="Months such as m01, 1 or month-01; all if none.")]


def _plain_errors(command: F) -> F:
    """Turn a CourseError into one sentence on stderr and exit code 2."""

    @wraps(command)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except CourseError as error:
            print(f"aisecops: {error}", file=sys.stderr)
            raise typer.Exit(2) from None

    return wrapper  # type: ignore[return-value]


@app.command()
@_plain_errors
def lab(
    instructor: Annotated[bool, typer.Option(help="Serve the course root, with formgrader.")] = False,
    port: Annotated[int, typer.Option(help="First port to try.")] = 8888,
    browser: Annotated[bool, typer.Option(help="Open a browser if there is one.")] = True,
) -> None:
    """Start JupyterLab on your desk, at start-here."""
    from aisecops.lab import start

    start(instructor=instructor, port=port, browser=browser)


@app.command(name="open")
@_plain_errors
def open_(
    month: Annotated[str, typer.Argument(help="A month such as m01, 1 or month-01.")],
    merge: Annotated[
        bool, typer.Option(help="Merge the newest release into a new file beside yours.")
    ] = False,
) -> None:
    """Put a month on your desk, or merge a newer release of it beside your work."""
    from aisecops import desk

    if merge:
        print(desk.merge_month(month))
        return
    opened = desk.open_month(month)
    print(opened.path)
    if opened.news:
        print(opened.news)


@app.command()
@_plain_errors
def build(
    months: Months = None,
    record: Annotated[bool, typer.Option(help="Execute the sources and store their outputs.")] = False,
    check: Annotated[bool, typer.Option(help="Write nothing; fail if a generated file is stale.")] = False,
    force: Annotated[bool, typer.Option(help="Overwrite a source that was edited by hand.")] = False,
) -> None:
    """Compile notebooks/ into source/ and release/."""
    from rich.console import Console

    from aisecops.build import WITHOUT_MONTH, report
    from aisecops.build import build as run
    from aisecops.roadmap import load

    wanted = [name if name in WITHOUT_MONTH else load().notebook(name) for name in months or []]
    console = Console()
    with console.status("building") as status:
        built = run(
            wanted,
            record=record,
            check=check,
            force=force,
            progress=lambda name: status.update(f"building {name}"),
        )
    for line in report(built, check=check):
        console.print(line, highlight=False, soft_wrap=True)
    if check and any(result.stale for result in built):
        raise typer.Exit(2)


@app.command()
@_plain_errors
def grade(
    month: Annotated[str, typer.Argument(help="A month such as m01, 1 or month-01.")],
    students: Annotated[str, typer.Option(help="Which students, as a pattern.", metavar="GLOB")] = "*",
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="How many submissions at the same time; processors + 1 if not said."),
    ] = None,
    scheduler: Annotated[
        str | None, typer.Option(help="Grade on the Dask cluster at this address, such as tcp://host:8786.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Grade again what has been graded.")] = False,
    feedback: Annotated[
        bool, typer.Option("--feedback", help="Then write the feedback of these students anew.")
    ] = False,
    show: Annotated[
        bool | None, typer.Option(help="Run cells that only show what answers do; they give no points.")
    ] = None,
    sandbox: Annotated[
        bool, typer.Option(help="Lock the learners' code in; without, it can do what you can do.")
    ] = True,
) -> None:
    """Grade the submissions of a month."""
    from rich.console import Console

    from aisecops.grading import batch
    from aisecops.roadmap import load

    name = load().notebook(month)
    options = batch.Options(students, workers, scheduler, force, sandbox, show)
    console = Console()
    if not sandbox:
        console.print("WITHOUT THE SANDBOX: the learners' code can do what you can do", highlight=False)
    batch.show(name, batch.grade(name, options), console)
    if feedback:
        with console.status("writing feedback"):
            batch.write_feedback(name, students)
        console.print("the feedback is in feedback/; hand it out with `nbgrader release_feedback`")


@app.command()
@_plain_errors
def quality(
    months: Months = None,
    runs: Annotated[
        int, typer.Option(min=0, help="Fresh kernels in which each solved month must score full.")
    ] = 1,
    fresh: Annotated[bool, typer.Option("--fresh", help="Examine again what has not changed.")] = False,
    json: Annotated[Path | None, typer.Option(help="File to write the report to, as JSON.")] = None,
    junit: Annotated[Path | None, typer.Option(help="File to write the report to, as JUnit.")] = None,
) -> None:
    """Prove that the graders are right: answers, mutants, cheats, leaks, ids."""
    from rich.console import Console

    from aisecops.course import write
    from aisecops.quality import examine, report
    from aisecops.roadmap import load

    progress = Console(stderr=True)
    found = examine(
        [load().notebook(name) for name in months or []],
        runs=runs,
        fresh=fresh,
        say=lambda line: progress.print(line, style="dim", highlight=False),
    )
    console = Console()
    for month in found.months:
        console.print(report.table(month))
    for line in report.lines(found):
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    if json:
        write(json, report.to_json(found))
    if junit:
        write(junit, report.to_junit(found))
    if found.faults:
        raise typer.Exit(1)


@app.command()
@_plain_errors
def coverage() -> None:
    """Write docs/coverage: objective × exercise × standard × tool."""
    from aisecops.course import root
    from aisecops.quality.coverage import write_all

    changed = write_all(root())
    print("\n".join(changed) if changed else "docs/coverage is up to date")


@app.command()
@_plain_errors
def doctor() -> None:
    """Say what this machine lacks, and how to get it."""
    from rich.console import Console
    from rich.table import Table

    from aisecops.doctor import examine

    table = Table("", "what", "for", "found", "to do", box=None, pad_edge=False)
    findings = examine()
    for finding in findings:
        table.add_row(
            "ok" if finding.ok else "MISSING",
            finding.what,
            finding.needed_for,
            finding.detail,
            "" if finding.ok else finding.remedy,
        )
    Console().print(table)
    if any(not finding.ok and finding.needed_for == "learners" for finding in findings):
        raise typer.Exit(2)


@model_app.command()
@_plain_errors
def train(
    name: Annotated[str, typer.Argument(help="A checkpoint: base, hardened, backdoored or memorised.")],
    processes: Annotated[
        int, typer.Option(min=1, help="1, or 2 on two cores; on a GPU, how many make its text.")
    ] = 2,
    tokens: Annotated[
        int | None, typer.Option(min=1, help="How much to read, if not what the recipe says.")
    ] = None,
    into: Annotated[
        Path | None, typer.Option(help="Folder for the weights; the course's own if not given.")
    ] = None,
) -> None:
    """Train a checkpoint, or go on where training was interrupted."""
    from rich.console import Console

    from aisecops.targets.lm.recipes import make

    print(make(name, processes=processes, tokens=tokens, into=into, console=Console()))


@model_app.command()
@_plain_errors
def tokenizer(
    into: Annotated[Path | None, typer.Option(help="File to write; the course's own if not given.")] = None,
) -> None:
    """Learn the tokenizer from the corpus. The checkpoints must be trained anew where it changes."""
    from aisecops.targets.lm.recipes import learn_tokenizer

    print(learn_tokenizer(into))


@model_app.command(name="list")
@_plain_errors
def list_() -> None:
    """Name the checkpoints that there are."""
    from aisecops.targets.lm import checkpoint

    print("\n".join(checkpoint.names()))


@serve_app.command()
@_plain_errors
def assistant(
    host: Annotated[str, typer.Option(help="Address to listen on; one that others reach needs keys.")] = (
        "127.0.0.1"
    ),
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")
    ] = 8321,
    model: Annotated[str, typer.Option(help="Checkpoint that the assistants run on.")] = "base",
    key: Annotated[
        list[str] | None,
        typer.Option(help="API key to let in, repeatable; others can see it, AISECOPS_KEYS hides it."),
    ] = None,
) -> None:
    """Offer the language model and the assistants in OpenAI's format."""
    from aisecops.targets.service.server import serve

    serve(host, port, model, key or [])


@progress_app.callback()
@_plain_errors
def progress(context: typer.Context) -> None:
    """Show the chart in the terminal."""
    if context.invoked_subcommand:
        return
    from rich.console import Console

    from aisecops.progress.summary import summarise
    from aisecops.progress.terminal import chart

    Console().print(chart(summarise()))


@progress_app.command()
@_plain_errors
def export(target: Annotated[Path, typer.Argument(help="File to write, one event a line.")]) -> None:
    """Write everything recorded to a file."""
    from aisecops.progress.store import Store

    print(f"{Store().export(target)} events written to {target}")


@progress_app.command(name="import")
@_plain_errors
def import_(source: Annotated[Path, typer.Argument(help="A file that export wrote.")]) -> None:
    """Add what a file holds; importing it twice changes nothing."""
    from aisecops.progress.store import Store

    print(f"{Store().import_(source)} new events from {source}")


@progress_app.command()
@_plain_errors
def grades(
    student: Annotated[str, typer.Option(help="The student's id in the gradebook.")],
    gradebook: Annotated[
        Path | None, typer.Option(help="nbgrader's gradebook.db; the course's own if not given.")
    ] = None,
) -> None:
    """Copy a student's grades from nbgrader's gradebook into the chart."""
    from aisecops import course
    from aisecops.progress.summary import import_grades

    print(f"{import_grades(gradebook or course.root() / 'gradebook.db', student)} new grades for {student}")


@progress_app.command()
@_plain_errors
def reset(yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False) -> None:
    """Start afresh; the old record is kept beside the new one."""
    from aisecops.progress.store import Store

    if not yes:
        typer.confirm("Start a new record? The old one is kept", abort=True)
    kept = Store().reset()
    print(f"the old record is kept as {kept}" if kept else "there was nothing to reset")


if __name__ == "__main__":
    app()
