"""What a store holds, as its own files say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Survey:
    """What a store holds.

    Attributes:
        manifest: what it was made by.
        markers: of the shards that the manifest lists and its plan scanned, in its order.
        quarantine: shard to what is wrong with it.
    """

    manifest: dict[str, Any]
    markers: list[dict[str, Any]]
    quarantine: dict[str, dict[str, Any]]

    @property
    def detectors(self) -> list[str]:
        return list(self.manifest["detectors"])

    @property
    def looks_at(self) -> dict[str, str]:
        """Detector to where its evidence stands: "metadata", "pixels" or "text"."""
        return dict(self.manifest["looks_at"])

    @property
    def identities(self) -> dict[str, str]:
        """Detector to the digest of what its scores depend on (`plan.detector_identities`)."""
        return dict(self.manifest["identities"])

    @property
    def is_sampled(self) -> bool:
        return self.manifest["plan"]["n_sample"] is not None

    def problems(self) -> list[dict[str, Any]]:
        """Everything in quarantine: shard, message, offset."""
        return [
            {"shard": shard, **problem}
            for shard, entry in self.quarantine.items()
            for problem in entry["problems"]
        ]
