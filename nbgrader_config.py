load_subconfig("grader_config.py")  # noqa: F821
