# All settings of nbgrader. `nbgrader_config.py` loads this file, and so does `aisecops build`.
import os
import sys
from pathlib import Path

c = get_config()  # noqa: F821

COURSE = Path(__file__).resolve().parent

# nbgrader runs `alembic` and `jupyter` by name: let it find those of this environment.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])

c.CourseDirectory.course_id = "ai-secops-lab"
c.CourseDirectory.root = str(COURSE)
c.CourseDirectory.ignore = [".ipynb_checkpoints", "*.pyc", "__pycache__"]

# The place where instructor and learners hand notebooks to each other. On a shared machine or a
# JupyterHub, point this at a folder that all of them can write to.
c.Exchange.root = os.environ.get("AISECOPS_EXCHANGE", str(COURSE / "exchange"))
# Fetched months land on the learner's desk, and are submitted from there.
c.Exchange.assignment_dir = os.environ.get("AISECOPS_DESK", str(COURSE / "workspace"))

c.ClearSolutions.code_stub = {
    "python": 'raise NotImplementedError("write your solution here, in place of this line")'
}
c.ClearSolutions.text_stub = "*Write your answer here, in place of this line.*"

# A whole month runs in under a minute; in `nbgrader validate`, a cell that needs longer hangs.
c.ExecutePreprocessor.timeout = 120
c.ExecutePreprocessor.interrupt_on_timeout = True

# Feedback shows what a failed check says, never the hidden check itself.
from nbconvert.preprocessors import CSSHTMLHeaderPreprocessor  # noqa: E402
from nbgrader.preprocessors import GetGrades  # noqa: E402

from aisecops.grading.feedback import HideTests  # noqa: E402

c.GenerateFeedback.preprocessors = [GetGrades, HideTests, CSSHTMLHeaderPreprocessor]
