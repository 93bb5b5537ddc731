"""Cues in addresses: sites of generators by registered domain, and names that tools give to files.

The registered domain is told by tldextract and the list of public suffixes that it brings along,
private ones (blob.core.windows.net) included; the network is never asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import ClassVar

from madaudit.errors import MissingExtraError

try:
    import tldextract
except ImportError as error:
    raise MissingExtraError("tell sites apart", package="tldextract", extra="cues") from error

from madaudit.detectors.base import Look
from madaudit.detectors.cues.base import CueDetector
from madaudit.detectors.cues.patterns import Cue, load_cues


@dataclass(frozen=True)
class CueUrl(CueDetector):
    """Addresses of generator sites, and of files named as a tool names them.

    Attributes:
        patterns: a TOML file of the form of madaudit's own, used in its place.
    """

    patterns: str = ""

    name: ClassVar[str] = "cue_url"
    version: ClassVar[int] = 1
    verified: ClassVar[str] = "unverified: a weak cue; false cues were counted on LAION addresses"
    field: ClassVar[str] = "url"

    def text_of(self, look: Look) -> str | None:
        return look.sample.sidecar.url

    def find(self, texts: Sequence[str]) -> Mapping[int, list[Cue]]:
        found = load_cues("path", self.patterns).find(texts)
        sites = _sites(self.patterns)
        for index, text in enumerate(texts):
            # Cheap and too generous first: the last two labels of the host.
            cues = sites.get(_tail(text))
            if cues:
                domain = _extract()(text).top_domain_under_public_suffix
                found_here = [cue for cue in cues if cue.name == domain]
                if found_here:
                    found[index] = [*found_here, *found.get(index, [])]
        return found


def _tail(address: str) -> str:
    """The last two labels of an address's host."""
    parts = address.split("/", 3)
    host = parts[2] if len(parts) > 2 and not parts[1] else parts[0]
    if ":" in host or "@" in host:
        host = host.rpartition("@")[2].partition(":")[0]
    return ".".join(host.rstrip(".").rsplit(".", 2)[-2:])


@cache
def _sites(patterns: str) -> dict[str, list[Cue]]:
    """Sites by the last two labels of their domain."""
    found: dict[str, list[Cue]] = {}
    for cue in load_cues("site", patterns).cues:
        found.setdefault(_tail(cue.name), []).append(cue)
    return found


@cache
def _extract() -> tldextract.TLDExtract:
    return tldextract.TLDExtract(
        cache_dir=None, suffix_list_urls=(), include_psl_private_domains=True
    )
