"""Grade all answers to a month and print one JSON line each: ``python -m tests.answers month-01``."""

import json
import sys

from tests.answers import HERE, grade, load

month = sys.argv[1]
for result in grade(HERE.parents[1] / "source" / month / f"{month}.ipynb", load(month)):
    print(json.dumps(result), flush=True)
