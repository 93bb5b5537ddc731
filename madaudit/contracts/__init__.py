"""What every plug-in of a family promises, as checks that run on any member: ours or a stranger's.

`madaudit check-plugin NAME` runs them. A family is one file and one line here; a check is a
function whose name is the promise, and which raises `BrokenPromise` with what it saw. Our own
tests (tests/contracts) run the same list on every member that we ship.
"""

from __future__ import annotations

FAMILIES: dict[str, str] = {
    "detectors": "madaudit.contracts.detectors",
    "encoders": "madaudit.contracts.encoders",
    "engines": "madaudit.contracts.engines",
    "generators": "madaudit.contracts.generators",
    "readers": "madaudit.contracts.readers",
    "renderers": "madaudit.contracts.renderers",
}
