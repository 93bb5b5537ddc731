"""Every error madaudit raises on purpose.

    MadauditError
    ├── RequestError            the request cannot be carried out as worded (exit 2)
    │   ├── OptionError         an option or a plug-in name that does not exist
    │   ├── InputError          inputs that cannot be found, or that clash
    │   └── StoreError          a store that is missing, foreign or damaged
    ├── MissingExtraError       a package that an extra installs is absent (exit 2)
    ├── ShardError              one shard cannot be read; the scan goes on
    └── MalformedError          bytes that break their own format; becomes a row's status

Form of a message: what could not be done, the value seen, what is allowed, what to do.
"""


class MadauditError(Exception):
    """Base of all errors raised on purpose."""


class RequestError(MadauditError):
    """The request cannot be carried out as worded; nothing was done."""


class OptionError(RequestError):
    """An option, a value or a plug-in name that does not exist."""


class InputError(RequestError):
    """Inputs that cannot be found, or that clash with one another."""


class StoreError(RequestError):
    """A store that is missing, was made by another request, or is damaged."""


class MissingExtraError(MadauditError):
    """A package that one of madaudit's extras installs is not there."""

    def __init__(self, what: str, *, package: str, extra: str) -> None:
        super().__init__(
            f"cannot {what}: the package {package!r} is not installed; "
            f"run: pip install 'madaudit[{extra}]'"
        )
        self.package = package
        self.extra = extra


class ShardError(MadauditError):
    """A shard that cannot be read from some byte on.

    Attributes:
        offset: byte at which reading stopped, or None where it never began.
    """

    def __init__(self, message: str, *, offset: int | None = None) -> None:
        super().__init__(message)
        self.offset = offset


class MalformedError(MadauditError):
    """Bytes that break the rules of their own format."""
