# Loaded by every kernel of this environment: records an attempt when a learner runs a visible check.
c = get_config()  # noqa: F821
c.IPKernelApp.extensions = ["aisecops.progress"]
