"""What every test has: the same examples on every run, and a browser where one is asked for."""

from hypothesis import settings

from tests.browsing import browser

__all__ = ["browser"]

# A test that fails by chance tells nothing.
settings.register_profile("fixed", derandomize=True, deadline=None)
settings.load_profile("fixed")
