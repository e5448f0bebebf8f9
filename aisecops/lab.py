"""Starts JupyterLab over the learner's desk, or over the course root for an instructor."""

import os
import sys
from pathlib import Path

from aisecops import course, desk
from aisecops.course import CourseError

# Settings of JupyterLab itself: no news, and for learners none of nbgrader's panels for instructors.
_SETTINGS = Path(__file__).with_name("jupyter")


def prepare() -> None:
    """Build what is missing and lay out the desk.

    Raises:
        CourseError: a notebook that can't be built, or a desk that can't be written to.
    """
    from aisecops import build

    root = course.root()
    missing = [n for n in build.all_names(root) if not all((root / f).is_file() for f in build.files_of(n))]
    if missing or not (root / build.CATALOGUE).is_file():
        build.build(missing)
    desk.open_month(desk.START)


def start(*, instructor: bool = False, port: int = 8888, browser: bool = True) -> None:
    """Run JupyterLab until it is stopped, and print its address once it answers.

    Args:
        instructor: serve the course root with nbgrader's formgrader and the view of the class, instead of
            the desk.
        port: the first port to try; a busy one moves on to the next.
        browser: open a browser if the machine has one.

    Raises:
        CourseError: the desk can't be laid out, or no port is free.
    """
    prepare()
    if instructor:
        from aisecops.cohort.notebook import lay_out

        lay_out()
    from aisecops.build import INSTRUCTOR

    root = course.root()
    served = root if instructor else course.desk()
    os.environ["AISECOPS_COURSE"] = str(root)
    os.environ["AISECOPS_SERVER_ROOT"] = str(served)
    os.environ["PATH"] = os.pathsep.join(
        [str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]
    )
    settings = [str(_SETTINGS)] if instructor else [str(_SETTINGS / "learner"), str(_SETTINGS)]
    os.environ["JUPYTER_CONFIG_PATH"] = os.pathsep.join(
        [*settings, os.environ.get("JUPYTER_CONFIG_PATH", "")]
    )
    # nbgrader reads nbgrader_config.py from the current folder.
    os.chdir(root)
    # jsonschema tries to import it, which costs two seconds and serves no one here (jsonschema#1428).
    sys.modules["rfc3987_syntax"] = None  # type: ignore[assignment]

    from jupyterlab.labapp import LabApp
    from tornado.ioloop import IOLoop

    options = [
        f"--ServerApp.root_dir={served}",
        f"--ServerApp.port={port}",
        "--ServerApp.ip=127.0.0.1",
        "--ServerApp.log_level=WARN",
        "--LabApp.log_level=WARN",
        f"--ServerApp.open_browser={browser and _has_browser()}",
        "--LabApp.expose_app_in_browser=True",  # the chart's button opens a notebook in this very window
        "--LabApp.news_url=None",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    ]
    if not instructor:
        options.append(f"--LabApp.default_url=/lab/tree/{desk.START}.ipynb")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        options.append("--ServerApp.allow_root=True")
    try:
        server = LabApp.initialize_server(options)
    except SystemExit:
        raise CourseError(f"no free port from {port} on: name another with --port") from None
    # Jupyter would print the address before anyone listens there.
    server.identity_provider.token_generated = False

    def announce() -> None:
        page = f"{server.connection_url}lab/tree/{INSTRUCTOR if instructor else desk.START}.ipynb"
        token = server.identity_provider.token
        address = f"{page}?token={token}" if token else page
        print(f"\nAI SecOps Lab is running at\n\n    {address}\n\nStop it with Ctrl-C.", flush=True)

    # The server binds its port, and may move on to the next one, only when its loop runs.
    IOLoop.current().add_callback(announce)
    server.start()


def _has_browser() -> bool:
    import webbrowser

    try:
        webbrowser.get()
    except webbrowser.Error:
        return False
    return True
