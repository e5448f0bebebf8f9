# %% [markdown]
# # Start here
#
# **AI SecOps Lab** turns an 18-month roadmap, from DevSecOps engineer to AI SecOps specialist, into a
# course that runs. One notebook a month: you attack a real system, measure what happened, defend it, and
# attack the defence. This folder is your desk. Everything in it is yours, and stays on this machine until
# you hand in a month.
#
# ## Your next step
#
# Run the cell below (click into it and press Shift + Enter). The chart shows all six phases. Its button
# opens the next notebook.

# %%
from aisecops.progress import PhaseProgress

PhaseProgress()

# %% [markdown]
# ## How a month works
#
# 1. **Open it** with the button above, by clicking a month in the chart, or with `aisecops open m01` in a
#    terminal.
# 2. **Read and run** from top to bottom. Cells with text and demonstrations are locked, so you cannot break
#    them by accident. Add cells of your own wherever you like.
# 3. **Solve the exercises.** A cell that says `write your solution here` is yours. Up to three hints fold
#    out below each task; each says more than the one before.
# 4. **Run the check** below your solution. It says in a sentence what is missing. One line tells where you
#    stand, and the chart moves: also in other open notebooks.
# 5. **More checks run at grading.** They ask the same questions of other data. An answer that solves the
#    task passes them; one that only knows the visible examples does not. nbgrader's *Validate* button runs
#    all your visible checks in a fresh kernel.
#
# A month takes 6 to 10 hours. The text that goes with it lies in
# [resources](resources/AI-SecOps/overview.md) beside this file.
#
# ## What the chart counts
#
# - **Self-checked** points: the visible checks passed on your machine.
# - **Graded** points: an instructor graded your work, hidden checks included.
#
# The two are never mixed. Points say what you did. They do not say what you will do against an attacker who
# has read the same course.
#
# ## What you hand in
#
# A month's folder is handed in as a whole: the notebook, and `time-on-task.json` beside it. That file says how
# often you ran the checks of each exercise, when first and last, and how many minutes you were at it. It shows
# which exercises take longer than planned. It gives and costs no points. You can read it, and you can delete
# it before you hand in.
#
# ## When something is wrong
#
# - `aisecops doctor` in a terminal says what this machine lacks and how to get it.
# - `aisecops open m01 --merge` puts a newer release of a month beside your work; your own file is never
#   touched.
# - `aisecops progress export backup.jsonl` saves your progress; `import` brings it back.
