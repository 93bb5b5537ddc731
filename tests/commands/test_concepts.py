"""`--by cluster`: strata from the embeddings that a scan kept, the tail by concept."""

from __future__ import annotations

import numpy as np
import pytest

from madaudit.commands.estimate import estimate
from madaudit.commands.risk import risk
from tests.commands.invoking import invoke
from tests.commands.scored_stores import Rows, write_store
from tests.commands.test_embedding_bias import embed

# Three concepts: a large clean one, and a small one in which two of three are marked.
SIZES, MARKED = (900, 900, 300), (0, 9, 200)


def planted(tmp_path, *, without=()):
    """Two shards over which concepts are spread at random."""
    generator = np.random.default_rng(5)
    concept = generator.permutation(np.repeat(np.arange(3), SIZES))
    marks = np.full(len(concept), None, dtype=object)
    for number, n in enumerate(MARKED):
        marks[np.flatnonzero(concept == number)[:n]] = "synthetic"
    vectors = 3.0 * np.eye(8)[concept] + 0.3 * generator.normal(size=(len(concept), 8))
    rows = {}
    for name, part in (("a", slice(0, 1000)), ("b/c", slice(1000, None))):
        rows[name] = Rows(np.full(len(concept[part]), np.nan), marks[part].tolist())
    url = write_store(tmp_path, rows)
    for number, (name, part) in enumerate((("a", slice(0, 1000)), ("b/c", slice(1000, None)))):
        ordinals = np.array([k for k in range(len(concept[part])) if (name, k) not in without])
        embed(tmp_path / "store", name, ordinals, vectors[part][ordinals], str(number))
    return url, concept


def counts(known):
    """Samples and marked ones of each stratum, largest first."""
    return sorted(
        (round(s.tally.n), round(s.floor.all_marks.low * s.tally.n)) for s in known.strata
    )


def merged(known, concept):
    """Samples of each planted concept by the sample that stands for each cluster."""
    totals = dict.fromkeys(range(3), 0)
    for one in known.strata:
        shard, ordinal = one.by["cluster"].split("like ")[1].rstrip(")").split(" ")
        totals[concept[int(ordinal) + 1000 * (shard == "b/c")]] += round(one.tally.n)
    return totals


def test_every_cluster_is_of_one_planted_concept(tmp_path):
    url, concept = planted(tmp_path)
    known = estimate(url, by=["cluster"])
    assert len(known.strata) == 10  # of 2,100 samples, one for 200
    assert merged(known, concept) == dict(enumerate(SIZES))


def test_the_tail_is_told_by_concept(tmp_path):
    """Overall the marked share is a tenth; the small concept's clusters alone exceed it much."""
    url, concept = planted(tmp_path)
    result = risk(url, by=["cluster"], bias=0.9)
    low = {
        one.by["cluster"]: one.floor.all_marks.low for one in estimate(url, by=["cluster"]).strata
    }
    worst = max(low, key=low.get)
    shard, ordinal = worst.split("like ")[1].rstrip(")").split(" ")
    assert concept[int(ordinal) + 1000 * (shard == "b/c")] == 2
    assert result.risk.tail.share_certain == pytest.approx(300 / 2100)
    assert "cluster " in invoke("risk", url, "--by", "cluster", "--bias", "0.9").out


def test_clusters_are_the_same_again_and_read_from_the_store(tmp_path, monkeypatch):
    url, _ = planted(tmp_path)
    first = counts(estimate(url, by=["cluster"]))
    monkeypatch.setattr("madaudit.commands.concepts.fit_concepts", None)
    assert counts(estimate(url, by=["cluster"])) == first


@pytest.mark.parametrize("path", ["concepts.json", "concepts/a.npz"])
def test_a_damaged_or_missing_file_is_made_again(tmp_path, path):
    url, _ = planted(tmp_path)
    first = counts(estimate(url, by=["cluster"]))
    file = tmp_path / "store" / "clusters" / path
    file.write_bytes(b"{}" if path.endswith("json") else b"PK")
    assert counts(estimate(url, by=["cluster"])) == first
    assert file.stat().st_size > 2


def test_other_embeddings_make_other_clusters(tmp_path):
    url, _ = planted(tmp_path)
    estimate(url, by=["cluster"])
    embed(tmp_path / "store", "a", np.arange(1000), np.ones((1000, 8)), "0")
    embed(tmp_path / "store", "b/c", np.arange(1000), np.ones((1000, 8)), "1")
    known = estimate(url, by=["cluster"])
    assert sorted(one.by["cluster"].split(" ")[0] for one in known.strata) == ["(no", "0"]


def test_samples_without_an_embedding_are_a_stratum_of_their_own(tmp_path):
    url, _ = planted(tmp_path, without={("a", 0), ("b/c", 7)})
    found = {one.by["cluster"]: one.tally.n for one in estimate(url, by=["cluster"]).strata}
    assert found["(no embedding)"] == 2


def test_a_store_without_embeddings_says_how_to_get_them(tmp_path):
    url = write_store(tmp_path, {"a": Rows(np.zeros(3))})
    run = invoke("risk", url, "--by", "cluster")
    assert run.code == 2
    assert "cannot group by 'cluster'" in run.err
    assert "--keep-embeddings" in run.err
