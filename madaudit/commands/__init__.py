"""One file per verb: a Python function, and the click command around it."""
