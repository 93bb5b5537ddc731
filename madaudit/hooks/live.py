"""Decisions by looking: detectors run on images that are on their way through a pipeline."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from madaudit.assessment.policy import Policy
from madaudit.errors import OptionError
from madaudit.estimation.combination import Combiner
from madaudit.hooks.ledger import Ledger
from madaudit.hooks.policy_file import as_policy
from madaudit.hooks.shared_sums import scratch_folder
from madaudit.scanning.batches import prepare_batches
from madaudit.scanning.plan import Plan
from madaudit.scanning.shard_scan import detect_all
from madaudit.scanning.tasks import ShardTask
from madaudit.scanning.watch import WIDTH, Watch
from madaudit.types import LABELS, NO_SIDECAR, Evidence, Sample, Shard, Sidecar, can_hit

_SCORE = "score at or above the cut"


class Finding(NamedTuple):
    """What was found in one sample.

    Attributes:
        keeps: whether it stays.
        label: of the strongest mark, None without one.
        detector: that found it.
        says: why, in words; what went wrong where the check failed.
        log_ratio: ln f1/f0 of the graded scores, +inf for a marked sample; NaN without.
    """

    keeps: bool
    label: str | None = None
    detector: str | None = None
    says: str | None = None
    log_ratio: float = float("nan")

    def to_dict(self) -> dict[str, Any]:
        """For a column: JSON has neither NaN nor infinity, so a marked sample has no ratio."""
        ratio = self.log_ratio if np.isfinite(self.log_ratio) else None
        return {**self._asdict(), "log_ratio": ratio}


class Examiner:
    """Runs a plan's detectors on images; safe to pickle.

    Attributes:
        ledger: counts of what was decided.
    """

    def __init__(
        self, plan: Plan, policy: Policy | str | None = None, *, combiner: Combiner | None = None
    ) -> None:
        """Make the detectors ready.

        Args:
            plan: detectors, their options and the tier.
            policy: or the file of one; a mark that says synthetic goes, by its cut as without one.
            combiner: a calibration's, from graded scores to the ratio that a cut is in.

        Raises:
            OptionError: a cut for graded detectors without their combiner, or one of others.
            RequestError: a detector cannot run here.
        """
        self._plan = plan
        self._policy = as_policy(policy)
        self._combiner = combiner
        self._detectors = plan.build_detectors()
        graded = [one.name for one in self._detectors if one.kind == "graded"]
        cuts = self._policy is not None and self._policy.cut is not None
        if cuts and graded and combiner is None:
            raise OptionError(
                f"cannot cut by the scores of {', '.join(graded)}: they need a calibration's "
                f"combiner; give combiner=, or look samples up in a scanned store (Keep)"
            )
        if combiner is not None and not set(combiner.detectors) <= set(graded):
            raise OptionError(
                f"the combiner is of {', '.join(combiner.detectors)}; the plan's graded "
                f"detectors are {', '.join(graded) or 'none'}"
            )
        names = [one.name for one in self._detectors if can_hit(one.name)]
        self._reasons = (*(f"marked by {name}" for name in names), _SCORE)
        self.ledger = Ledger(scratch_folder(self), self._reasons)

    def examine(
        self, image: Any, *, key: str = "", sidecar: Sidecar = NO_SIDECAR, text: str | None = None
    ) -> Finding:
        """What is found in one sample; it never raises.

        Args:
            image: its bytes; None where there is none.
            key: of the sample.
            sidecar: what the pipeline knows of it.
            text: of a document.
        """
        try:
            sample = as_sample(0, image, key, sidecar, text)
        except TypeError:
            what = f"bytes are needed, not {type(image).__name__}: put the hook before decoding"
            sample = Sample(0, key, sidecar=sidecar, status="missing_image", error=what)
            self.ledger.note_failed()
        return self.examine_all([sample])[0]

    def examine_all(self, samples: Sequence[Sample]) -> list[Finding]:
        """What is found in each sample, counted; a sample on which this fails stays."""
        try:
            findings = self._examine(samples)
        except Exception as error:  # noqa: BLE001 — a hook must not end a run over one sample
            if len(samples) > 1:
                return [self.examine_all([sample])[0] for sample in samples]
            findings = [Finding(keeps=True, says=f"the hook failed: {error!r}"[:200])]
            self.ledger.note_failed()
        for finding in findings:
            self._count(finding)
        return findings

    def _examine(self, samples: Sequence[Sample]) -> list[Finding]:
        watch = Watch([0.0] * WIDTH, self._plan.image_timeout_s)
        task = ShardTask(Shard("hook", "", "memory", 0, ""))
        findings = []
        for prepared in prepare_batches(iter(samples), self._plan, task, watch):
            said = {one.name: detect_all(one, prepared.batch, watch) for one in self._detectors}
            ratios = self._log_ratios(said, len(prepared.batch))
            for place, ratio in enumerate(ratios):
                evidence = {name: items[place] for name, items in said.items()}
                findings.append(self._finding(evidence, ratio))
        return findings

    def _log_ratios(self, said: dict[str, list[Evidence]], n: int) -> list[float]:
        if self._combiner is None:
            return [float("nan")] * n
        columns = [[item.score for item in said[name]] for name in self._combiner.detectors]
        ratios: list[float] = self._combiner.log_ratio(np.array(columns).T).tolist()
        return ratios

    def _finding(self, evidence: dict[str, Evidence], ratio: float) -> Finding:
        marks = [
            (LABELS.index(item.detail.label), name, item.detail)
            for name, item in evidence.items()
            if can_hit(name) and item.state == "present" and item.detail and item.detail.label
        ]
        policy = self._policy
        drops_marked = policy is None or policy.cut is not None
        if marks:
            _, name, detail = min(marks, key=lambda mark: mark[0])
            is_synthetic = detail.label == "synthetic"
            ratio = float("inf") if is_synthetic else ratio
            keeps = not (is_synthetic and drops_marked) and not self._is_cut(ratio)
            return Finding(keeps, detail.label, name, detail.says, ratio)
        return Finding(not self._is_cut(ratio), log_ratio=ratio)

    def _is_cut(self, ratio: float) -> bool:
        cut = None if self._policy is None else self._policy.cut
        return cut is not None and ratio >= cut

    def _count(self, finding: Finding) -> None:
        if finding.keeps:
            self.ledger.keep()
            return
        marked = finding.label == "synthetic"
        reason = f"marked by {finding.detector}" if marked else _SCORE
        self.ledger.drop(self._reasons.index(reason) + 1)


def as_sample(
    ordinal: int,
    image: Any,
    key: str = "",
    sidecar: Sidecar = NO_SIDECAR,
    text: str | None = None,
) -> Sample:
    """What a detector is given of bytes in a pipeline."""
    if image is None and text is None:
        return Sample(ordinal, key, sidecar=sidecar, status="missing_image", error="no image")
    if image is None:
        return Sample(ordinal, key, size=len(text or ""), sidecar=sidecar, text=text)
    view = memoryview(image)
    return Sample(ordinal, key, -1, view.nbytes, view, sidecar, text=text)
