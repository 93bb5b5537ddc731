"""What the documents show runs as they show it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

import madaudit
from madaudit import registry

_REPOSITORY = Path(__file__).parents[1]


def _python_blocks(name: str) -> list[str]:
    text = (_REPOSITORY / name).read_text(encoding="utf-8")
    return re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)


def test_the_worked_example_of_a_detector_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (source,) = _python_blocks("docs/extending.md")
    site = tmp_path / "site"
    (site / "example-1.dist-info").mkdir(parents=True)
    (site / "example_gen.py").write_text(source, encoding="utf-8")
    (site / "example-1.dist-info" / "METADATA").write_text("Name: example\nVersion: 1\n")
    (site / "example-1.dist-info" / "entry_points.txt").write_text(
        "[madaudit.detectors]\nexample_gen = example_gen:ExampleGen\n"
    )
    monkeypatch.syspath_prepend(str(site))
    registry.third_party.cache_clear()
    photos = tmp_path / "photos"
    photos.mkdir()
    picture = Image.new("RGB", (32, 32), "green")
    picture.save(photos / "a.jpg", comment="Made with ExampleGen 2")
    picture.save(photos / "b.jpg", comment="holiday")

    result = madaudit.scan(str(photos), str(tmp_path / "store"), detectors=["example_gen"])

    assert result.detectors["example_gen"]["present"] == 1
    assert result.detectors["example_gen"]["absent"] == 1
    assert "example_gen" in [d["name"] for d in madaudit.list_detectors().detectors]
    registry.third_party.cache_clear()


@pytest.mark.slow
def test_the_readmes_python_example_runs(tmp_path: Path) -> None:
    (source,) = _python_blocks("README.md")
    madaudit.demo(str(tmp_path / "demo"))
    (tmp_path / "example.py").write_text(source, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "example.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(_REPOSITORY)},
    )
    assert "synthetic, at least 0." in done.stdout
    assert (tmp_path / "store" / "report" / "index.html").exists()


def test_every_relative_link_in_the_documents_leads_somewhere() -> None:
    for document in [_REPOSITORY / "README.md", *(_REPOSITORY / "docs").rglob("*.md")]:
        text = document.read_text(encoding="utf-8")
        for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", text):
            assert (document.parent / target).exists(), f"{document.name}: {target}"


def test_every_column_of_the_store_is_documented() -> None:
    from madaudit.scanning.rows import schema

    text = (_REPOSITORY / "docs" / "formats.md").read_text(encoding="utf-8")
    for name in schema(()).names:
        assert f"`{name}`" in text


def test_the_example_of_estimation_runs(capsys: pytest.CaptureFixture[str]) -> None:
    (source,) = _python_blocks("docs/estimation.md")
    exec(compile(source, "docs/estimation.md", "exec"), {})
    assert capsys.readouterr().out.startswith("detectable Interval(low=")


def test_every_test_that_stands_beside_a_claim_of_security_exists() -> None:
    text = (_REPOSITORY / "docs" / "security.md").read_text(encoding="utf-8")
    named = re.findall(r"`(tests/[\w/]+(?:\.py)?)(?:::(\w+))?`", text)
    assert len(named) > 40
    for path, name in named:
        place = _REPOSITORY / path
        assert place.exists(), path
        if name:
            source = place.read_text(encoding="utf-8")
            assert re.search(rf"^def {name}\(", source, re.MULTILINE), f"{path}::{name}"


def test_every_claim_of_who_controls_what_has_a_test() -> None:
    text = (_REPOSITORY / "docs" / "security.md").read_text(encoding="utf-8")
    table = text.partition("## Who controls what")[2].partition("## Limits")[0]
    rows = [row for row in table.splitlines() if row.startswith("| ")][2:]
    assert len(rows) > 15
    for row in rows:
        *_, cannot, held = [cell.strip() for cell in row.strip("|").split("|")]
        assert cannot
        assert "::test_" in held, row


def test_the_tables_of_coverage_are_those_of_the_results_beside_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(str(_REPOSITORY / "scripts"))
    from coverage_tables import sections  # type: ignore[import-not-found]

    results = _REPOSITORY / "docs" / "coverage" / "acceptance.jsonl"
    lines = [json.loads(line) for line in results.read_text(encoding="utf-8").splitlines()]
    page = (_REPOSITORY / "docs" / "estimation.md").read_text(encoding="utf-8")
    written = dict(re.findall(r"<!-- coverage-(\w+) -->\n(.*?)<!-- /", page, flags=re.DOTALL))
    expected = {name: f"{text.rstrip()}\n" for name, text in sections(lines).items()}
    assert written == expected


@pytest.mark.slow
def test_the_table_of_blind_targets_is_what_judging_them_says() -> None:
    folder = _REPOSITORY / "docs" / "coverage" / "blind"
    script = _REPOSITORY / "scripts" / "coverage_blind"
    names = [folder / name for name in ("released", "estimates.jsonl", "answers.json")]
    found = subprocess.run(
        [sys.executable, script, "judge", *names], capture_output=True, text=True, check=True
    )
    page = (_REPOSITORY / "docs" / "estimation.md").read_text(encoding="utf-8")
    (written,) = re.findall(r"<!-- blind -->\n(.*?)<!-- /", page, flags=re.DOTALL)
    assert written.strip() == found.stdout.strip()
