"""Read by every Jupyter kernel of this environment: what C++ code writes to stderr stays out of the notebook."""

c = get_config()  # noqa: F821
c.IPKernelApp.capture_fd_output = False
