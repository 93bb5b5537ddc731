"""The data card: YAML that Hugging Face reads, Croissant's own names, and nothing made up."""

from __future__ import annotations

import json
import re
import warnings

import pytest
import yaml

from madaudit.reports import build_renderer
from madaudit.reports.card import croissant, front_matter
from tests.reports.full_report import full_report
from tests.reports.report_building import HOSTILE, bare_report, report_of

# The properties that MLCommons' Croissant RAI vocabulary 1.0 defines, and schema.org's name.
_RAI = {
    "dataCollection", "dataCollectionType", "dataCollectionMissingData", "dataCollectionRawData",
    "dataCollectionTimeframe", "dataImputationProtocol", "dataPreprocessingProtocol",
    "dataManipulationProtocol", "dataAnnotationProtocol", "dataAnnotationPlatform",
    "dataAnnotationAnalysis", "dataReleaseMaintenancePlan", "personalSensitiveInformation",
    "dataSocialImpact", "dataBiases", "dataLimitations", "dataUseCases", "annotationsPerItem",
    "annotatorDemographics", "machineAnnotationTools",
}  # fmt: skip


def parts(report):
    """Front matter and Croissant's JSON, as read back from the file."""
    text = build_renderer("card").render(report).decode()
    _, front, body = text.split("---\n", 2)
    (fields,) = re.findall(r"```json\n(.*?)\n```", body, re.DOTALL)
    return yaml.safe_load(front), json.loads(fields)


@pytest.mark.parametrize("report", [full_report(), bare_report()], ids=["full", "bare"])
def test_both_parts_are_read_back_as_they_were(report):
    front, fields = parts(report)
    assert front == front_matter(report)
    assert fields == croissant(report)


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_names_stay_text(text):
    front, fields = parts(full_report(text))
    assert set(front) == set(front_matter(full_report()))
    assert set(fields) == set(croissant(full_report()))
    assert isinstance(front["pretty_name"], str)


def test_the_fields_are_croissants():
    names = {name.removeprefix("rai:") for name in croissant(full_report()) if ":" in name}
    assert names <= _RAI


@pytest.mark.parametrize(
    ("n", "size"),
    [
        (1, "n<1K"),
        (999, "n<1K"),
        (1000, "1K<n<10K"),
        (5_850_000_000, "1B<n<10B"),
        (10**13, "n>1T"),
    ],
)
def test_sizes_are_hugging_faces_categories(n, size):
    assert front_matter(report_of(n_samples=n))["size_categories"] == [size]


def test_what_only_the_owner_knows_is_left_out():
    front = front_matter(full_report())
    assert not {"license", "language", "task_categories"} & set(front)


def test_croissants_own_library_reads_it(tmp_path):
    croissants = pytest.importorskip("mlcroissant", reason="mlcroissant is not installed")
    path = tmp_path / "croissant.json"
    path.write_text(json.dumps(croissant(full_report())))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what it is built on
        assert croissants.Dataset(path).metadata.name
