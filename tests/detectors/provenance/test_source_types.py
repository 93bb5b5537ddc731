"""The vocabulary of digital source types: every value classed, and nothing else."""

from __future__ import annotations

import pytest

from madaudit.detectors.provenance.source_types import CLASSES, name_of, sentence
from madaudit.types import LABELS

_CV = "http://cv.iptc.org/newscodes/digitalsourcetype/"
# http://cv.iptc.org/newscodes/digitalsourcetype/ as published, retired values last.
_VOCABULARY = (
    "digitalCapture",
    "computationalCapture",
    "negativeFilm",
    "positiveFilm",
    "print",
    "humanEdits",
    "compositeWithTrainedAlgorithmicMedia",
    "algorithmicallyEnhanced",
    "digitalCreation",
    "dataDrivenMedia",
    "trainedAlgorithmicMedia",
    "algorithmicMedia",
    "screenCapture",
    "virtualRecording",
    "composite",
    "compositeCapture",
    "compositeSynthetic",
    "softwareImage",
    "digitalArt",
    "minorHumanEdits",
)
_OF_C2PA = ("empty", "trainedAlgorithmicData")


def test_every_value_of_the_vocabulary_has_a_class():
    assert set(_VOCABULARY) | set(_OF_C2PA) == set(CLASSES)
    assert set(CLASSES.values()) == set(LABELS)


@pytest.mark.parametrize("name", _VOCABULARY)
def test_a_value_is_known_by_uri_code_and_name(name):
    forms = (_CV + name, _CV.replace("http:", "https:") + name, f"digsrctype:{name}", f" {name}\n")
    assert {name_of(form) for form in forms} == {name}


@pytest.mark.parametrize("name", _OF_C2PA)
def test_values_of_c2pa_are_known_by_uri(name):
    assert name_of(f"http://c2pa.org/digitalsourcetype/{name}") == name


@pytest.mark.parametrize(
    "value", ["", "trainedalgorithmicmedia", f"{_CV}newValue", "not trainedAlgorithmicMedia"]
)
def test_anything_else_is_not_of_the_vocabulary(value):
    assert name_of(value) is None


def test_only_media_of_a_trained_model_is_synthetic():
    synthetic = {name for name, label in CLASSES.items() if label == "synthetic"}
    assert synthetic == {"trainedAlgorithmicMedia", "trainedAlgorithmicData"}


@pytest.mark.parametrize("name", ["algorithmicMedia", "digitalArt", "compositeCapture"])
def test_what_people_and_plain_algorithms_make_is_real(name):
    assert CLASSES[name] == "real"


def test_the_sentence_for_a_plain_composite_admits_its_doubt():
    assert "may or may not" in sentence("composite")


@pytest.mark.parametrize("name", CLASSES)
def test_every_class_has_a_sentence(name):
    assert sentence(name).startswith("declares")
