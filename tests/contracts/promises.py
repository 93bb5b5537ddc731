"""How a check of a contract is named in a test's id."""

from collections.abc import Callable


def promise_of(check: Callable[..., None]) -> str:
    return check.__name__
