"""What is asked of a scan, checked before any work; the words of the command line made values."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from madaudit.detectors import default_detectors
from madaudit.detectors.base import Tier
from madaudit.errors import OptionError
from madaudit.scanning.plan import SCHEMA_VERSION, Plan, Thumbnails, detector_identities
from madaudit.scanning.tasks import ShardTask, own_part, plan_tasks
from madaudit.shards.locate import Located

if TYPE_CHECKING:
    from madaudit.scanning.store import Store


@dataclass(frozen=True)
class ScanRequest:
    """A scan's arguments, checked.

    Attributes:
        located: the shards.
        plan: the options that decide what the rows hold.
        store: where they go.
        given: inputs as typed.
        part: number of this job, and how many jobs share the store.
        retry_failed: scan quarantined shards again.
        format: what the inputs are said to be.
    """

    located: Located
    plan: Plan
    store: Store
    given: list[str]
    part: tuple[int, int]
    retry_failed: bool
    format: str = "auto"

    def __post_init__(self) -> None:
        streamed = [s.name for s in self.located.shards if s.reader == "huggingface"]
        if streamed and self.plan.digest == "full":
            raise OptionError(
                f"cannot digest all bytes of {streamed[0]!r}: the package `datasets` does not "
                f"show them; leave --digest full out, or give the files themselves (hf://…)"
            )

    def all_tasks(self) -> list[ShardTask]:
        return plan_tasks(self.located.shards, n_sample=self.plan.n_sample, seed=self.plan.seed)

    def own_tasks(self) -> list[ShardTask]:
        """This job's tasks.

        Raises:
            OptionError: there is no job of that number.
        """
        return own_part(self.all_tasks(), index=self.part[0], n_parts=self.part[1])

    def manifest(self) -> dict[str, Any]:
        from madaudit import __version__

        built = self.plan.build_detectors()
        return {
            "schema": SCHEMA_VERSION,
            "madaudit": __version__,
            "python": platform.python_version(),
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "fingerprint": self.plan.fingerprint(),
            "plan": self.plan.to_dict(),
            "detectors": {d.name: d.version for d in built},
            "looks_at": {d.name: d.looks_at for d in built},
            "identities": detector_identities(built),
            "root": self.located.root,
            "inputs": self.given,
            "format": self.format,
            "input_bytes": sum(shard.size_bytes for shard in self.located.shards),
            "ignored_files": self.located.n_ignored_files,
            "n_shards_in_all": len(self.located.shards),
            "shards": [task.shard.name for task in self.all_tasks()],
        }


def build_plan(
    detectors: Sequence[str] | None,
    options: Mapping[str, Mapping[str, Any]] | None,
    tier: Tier,
    sample: int | None,
    seed: int,
    max_pixels: int,
    image_timeout: float,
    thumbnails: Thumbnails,
    digest: Any,
    keep_embeddings: bool,
) -> Plan:
    """The plan, with its detectors checked to be able to run here.

    Raises:
        RequestError: they cannot, or an option or value does not exist.
    """
    names = tuple(detectors or default_detectors(tier))
    for name in options or {}:
        if name not in names:
            raise OptionError(
                f"options are given for detector {name!r}, which is not among those that run: "
                f"{', '.join(names)}"
            )
    plan = Plan(
        names,
        dict(options or {}),
        tier,
        max_pixels,
        image_timeout,
        sample,
        seed,
        thumbnails,
        digest,
        keep_embeddings,
    )
    built = plan.build_detectors()
    if keep_embeddings:
        from madaudit.scanning.embedding_files import space_to_keep
        from madaudit.scanning.encoding import spaces_of

        space_to_keep(spaces_of(built))
    return plan


def parse_options(pairs: Sequence[str]) -> dict[str, dict[str, Any]]:
    """`c2pa.validate=false` to {"c2pa": {"validate": False}}."""
    options: dict[str, dict[str, Any]] = {}
    for pair in pairs:
        place, equals, text = pair.partition("=")
        name, dot, key = place.partition(".")
        if not equals or not dot or not name or not key:
            raise OptionError(
                f"cannot read --option {pair!r}; allowed: DETECTOR.OPTION=VALUE, "
                f"for example c2pa.validate=false"
            )
        options.setdefault(name, {})[key] = _value(text)
    return options


def _value(text: str) -> Any:
    if text in ("true", "false"):
        return text == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def split_names(text: str | None) -> tuple[str, ...] | None:
    """`a1111, c2pa` to a tuple of names; None where none are given."""
    return tuple(name.strip() for name in text.split(",") if name.strip()) if text else None
