"""Submission → score: runs cells, keeps what they show, and decides what a learner may see of it."""
