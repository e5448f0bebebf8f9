# %% [markdown]
# # Your class
#
# This notebook shows a month of your class after grading: points, exercises that do not work as they should,
# time, similar answers. `aisecops lab --instructor` puts it into the course root as `instructor.ipynb`. That
# copy is yours: git ignores it, learners never get it, and a newer course does not overwrite it. Delete it to
# get the newest one. Once it has run it holds names and points, so treat it as you treat the gradebook.
#
# Grade first: `aisecops grade m01`. The notebook reads the gradebook and the graded notebooks and changes
# neither of them.

# %% scratch="class"
MONTH = None  # such as "m01"; None takes the last month of the course that has grades

import pandas as pd

from aisecops.cohort import Cohort

pd.set_option("display.max_colwidth", None)
cohort = Cohort(MONTH)
cohort

# %% [markdown]
# ## Points
#
# Automatic points and points given by hand are told apart. The last panel shows all points, of those learners
# who have all of them. A class below 20 learners is shown as one dot a learner.

# %% scratch="scores"
cohort.draw_scores()

# %% [markdown]
# These learners have something left to do, or you have: not handed in, not graded, waiting for points by
# hand. Where a submission *needs a person*, automatic grading could not read it, and the reason stands there.

# %% scratch="waiting"
cohort.waiting()

# %% [markdown]
# ## Exercises that do not work as they should
#
# Three numbers tell how an exercise works in this class.
#
# - *Difficulty* is the mean share of its points that learners reached. 1 means that everybody has all of
#   them. In a course an easy exercise may well be right: it shows that what was taught has arrived.
# - *Discrimination* is the correlation of its points with all other points of the month. Near 1, those who
#   are strong elsewhere are strong here. Below 0.2, a rule of thumb, the exercise does not tell strong from
#   weak: often a check asks for something the task does not say. Below 0, the weak do better than the strong.
#   The line beside it is the 95 % interval of a bootstrap over learners: how far the number can be off in a
#   class of this size.
# - *Upper-lower* is the mean share in the best 27 % of the class less that in the weakest 27 %, best and
#   weakest by all other points. It is shown from 36 learners on.
#
# `n` is the number of learners an exercise is graded for. Below ten, nothing is claimed.
#
# Sources: T. L. Kelley, *The selection of upper and lower groups for the validation of test items*, Journal
# of Educational Psychology 30 (1939), for the 27 %; A. Kelava and H. Moosbrugger, *Deskriptivstatistische
# Itemanalyse und Testwertbestimmung* (2020), for the 0.2.

# %% scratch="items"
cohort.draw_items()

# %% scratch="item-table"
cohort.items().round(2)

# %% [markdown]
# The same for each check. An exercise with several checks may hide one that does not work.

# %% scratch="check-table"
cohort.items("check").round(2)

# %% [markdown]
# ## What fails, and what the checks said
#
# If many fail with the same message, read the task again with their eyes. Messages that differ only in
# numbers count as one. *Not answered* means that the cell was left as it came.

# %% scratch="failures"
cohort.draw_failures()

# %% scratch="messages"
cohort.failures().round(2)

# %% [markdown]
# ## Time on task
#
# When a learner runs a check, their own machine notes the time, and the times are handed in with the month.
# The time from one check to the next counts for the later one, a pause as ten minutes at most. So minutes are
# a lower bound. They come from the learner's machine and can be made up: use them to improve exercises, not
# to judge people.

# %% scratch="times"
times = cohort.times()
cohort.draw_times() if len(times) else "Nobody has handed in times with this month."

# %% [markdown]
# ## Similar answers
#
# Answers are compared as rows of Python's words and signs, without comments, texts, layout and names, and
# without what the release gives. Listed are pairs that are far more alike than two answers to *this* exercise
# usually are. Left out are answers below 25 words and signs, and answers that are close to the official
# solution: many ways lead there.
#
# **Similarity is a reason to talk, no proof.** Two learners may have worked side by side, followed the same
# hint, or asked the same assistant. Ask both to explain their answer before you conclude anything.

# %% scratch="similar"
pairs = cohort.similar()
pairs.round(2) if len(pairs) else "No pair of answers is unusually similar."

# %% [markdown]
# The most similar pair, side by side. Lines that differ in names, texts or comments only are marked `≈`. For
# another one write `cohort.compare("exercise", "ada", "bob")`.

# %% scratch="compare"
cohort.compare(*pairs.loc[0, ["exercise", "student", "other"]]) if len(pairs) else "Nothing to compare."

# %% [markdown]
# ## Tables for a spreadsheet
#
# Two files in the course root, which git ignores: a row for each learner, a row for each exercise and check.

# %% scratch="export"
[str(path) for path in cohort.to_csv(".")]
