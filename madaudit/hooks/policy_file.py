"""The one place where a policy's file is read."""

from __future__ import annotations

from madaudit.assessment.policy import Policy, parse_policy
from madaudit.errors import InputError, OptionError
from madaudit.limits import MAX_POLICY_BYTES
from madaudit.shards import files


def read_policy(path: str) -> Policy:
    """A policy from its file or URL.

    Raises:
        InputError: there is no such file, or it is too long to be one.
        OptionError: it is no policy.
    """
    try:
        data = files.read_bytes(path, most_bytes=MAX_POLICY_BYTES)
    except OSError as error:
        raise InputError(f"cannot read policy {path!r}: {error}") from error
    if data is None:
        raise InputError(f"cannot read policy {path!r}: no such file")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise OptionError(f"cannot read policy {path!r}: it is no text in UTF-8") from error
    return parse_policy(text, name=path)


def as_policy(policy: Policy | str | None) -> Policy | None:
    """A policy as it is, or from its file; see `read_policy`."""
    return read_policy(policy) if isinstance(policy, str) else policy
