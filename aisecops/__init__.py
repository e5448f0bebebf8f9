"""AI SecOps Lab: an 18-month career roadmap as a Jupyter course that runs."""

__version__ = "0.1.0"
