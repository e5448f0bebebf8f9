load_subconfig("grader_config.py")  # noqa: F821

# Submissions are graded by the course's own converter, from nbgrader's commands and buttons alike. nbgrader
# has no setting for the class, so this is the place to change it. See docs/grading.md.
import nbgrader.apps.api  # noqa: E402
import nbgrader.apps.autogradeapp  # noqa: E402

from aisecops.grading.autograde import Autograde  # noqa: E402

nbgrader.apps.api.Autograde = nbgrader.apps.autogradeapp.Autograde = Autograde
