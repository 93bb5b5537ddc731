"""webdataset: `dataset.select(Keep(store))`, before anything decodes.

    dataset = webdataset.WebDataset(urls).select(madaudit.hooks.webdataset.Keep(store))

`select` has no handler of its own: what a predicate raises ends the loop, so these never do.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from madaudit.hooks.base import AuditHook, LookupHook

#: Field that `Audit.annotate` adds.
FIELD = "provenance.json"


class Keep(LookupHook):
    """A predicate: whether the store lets a sample stay."""

    # The same function, and not one that calls it: it stands in the innermost loop.
    __call__ = LookupHook.keeps_record


class Audit(AuditHook):
    """A predicate that looks at the image now; put it before `.decode()`."""

    def __call__(self, sample: Mapping[str, Any]) -> bool:
        return self.finding(sample).keeps

    def annotate(self, sample: Mapping[str, Any]) -> dict[str, Any]:
        """The sample with what was found in it, for `dataset.map(audit.annotate)`."""
        return {**sample, FIELD: json.dumps(self.finding(sample).to_dict()).encode()}
