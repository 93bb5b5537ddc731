"""Wrong requests: one clear line, exit code 2, no stack, and nothing done."""

from __future__ import annotations

import pytest

import madaudit
from madaudit.errors import OptionError
from tests.commands.invoking import invoke, scan_serially
from tests.commands.store_building import generated, make_store, photo, write_shards


def refused(run):
    """The message of a run that was refused as it should be."""
    assert (run.code, run.out) == (2, "")
    assert "Traceback" not in run.err
    (line,) = [line for line in run.err.splitlines() if line.lower().startswith("error:")]
    return line


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--detectors", "a1112"], "detector 'a1112' does not exist (known: a1111, "),
        (["--detectors", "a1112"], "did you mean 'a1111'?"),
        (["--option", "c2pa.validat=false"], "has no option 'validat' (known: validate)"),
        (["--option", "c2pa.validat=false"], "did you mean 'validate'?"),
        (["--option", "validate"], "allowed: DETECTOR.OPTION=VALUE"),
        (["--option", "constant.score=1"], "'constant', which is not among those that run"),
        (["--sample", "0"], "0 is not in the range"),
        (["--sample", "many"], "'many' is not a valid integer"),
        (["--shard-index", "3", "--num-shards", "3"], "allowed with --num-shards 3: 0 to 2"),
        (["--shard-index", "-1"], "--shard-index is -1"),
        (["--tier", "pixle"], "'pixle' is not one of"),
        (["--thumbnails", "sharp"], "'sharp' is not one of"),
        (["--image-timeout", "0"], "is not in the range"),
        (["--max-pixels", "0"], "0 is not in the range"),
        (["--seed", "-1"], "-1 is not in the range"),
        (["--nonsense"], "No such option"),
    ],
)
def test_a_scan_that_cannot_be_is_refused_before_any_work(tmp_path, words, message):
    inputs = write_shards(tmp_path, a=[photo()])
    assert message in refused(scan_serially(inputs, "-o", tmp_path / "store", *words))
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"engine": "pol"}, "did you mean 'pool'"),
        ({"engine": "pool", "workers": 0}, "--workers is 0"),
        ({"shard_index": 1}, "--shard-index is 1"),
        ({"sample": 0}, "--sample is 0"),
        ({"thumbnails": "sharp"}, "'sharp' does not exist"),
        ({"tier": "headres"}, "did you mean 'headers'"),
    ],
)
def test_the_python_twin_refuses_the_same_before_any_work(tmp_path, options, message):
    inputs = write_shards(tmp_path, a=[photo()], b=[photo()])
    with pytest.raises(OptionError, match=message):
        madaudit.scan(inputs, str(tmp_path / "store"), **options)
    assert not (tmp_path / "store").exists()


def test_inputs_that_do_not_exist_are_named(tmp_path):
    line = refused(scan_serially(tmp_path / "nowhere", "-o", tmp_path / "store"))
    assert f"no file or folder matches '{tmp_path / 'nowhere'}'" in line


def test_a_folder_without_images_is_named_with_what_it_holds(tmp_path):
    (tmp_path / "notes.txt").write_text("no image")
    line = refused(scan_serially(tmp_path, "-o", tmp_path / "store"))
    assert (
        "no file in it is of a format that is known; it holds 1 other files; allowed: .tar" in line
    )


def test_the_store_of_another_data_set_is_named(tmp_path):
    store = make_store(tmp_path / "one", a=[photo()])
    line = refused(scan_serially(write_shards(tmp_path / "two", a=[photo()]), "-o", store))
    assert "one store is one data set, so give another -o" in line


_READERS = (["estimate"], ["report"], ["explain", "--key", "1"], ["verify"])


@pytest.mark.parametrize("words", _READERS, ids=lambda words: words[0])
def test_a_store_that_is_not_there_is_named_with_what_makes_one(tmp_path, words):
    verb, *rest = words
    line = refused(invoke(verb, tmp_path / "nothing", *rest))
    assert f"no store at '{tmp_path / 'nothing'}'" in line
    assert "madaudit scan INPUT -o" in line


@pytest.mark.parametrize("words", _READERS, ids=lambda words: words[0])
def test_a_file_in_the_place_of_a_store_is_named(tmp_path, words):
    verb, *rest = words
    (tmp_path / "file").write_text("no store")
    assert str(tmp_path / "file") in refused(invoke(verb, tmp_path / "file", *rest))


@pytest.mark.parametrize("words", _READERS, ids=lambda words: words[0])
def test_a_store_of_another_schema_is_refused(tmp_path, words):
    verb, *rest = words
    (tmp_path / "manifest.json").write_text('{"schema": 99}')
    assert "schema 99, this madaudit reads 3" in refused(invoke(verb, tmp_path, *rest))


@pytest.mark.parametrize("words", _READERS, ids=lambda words: words[0])
def test_a_manifest_that_is_no_json_is_refused(tmp_path, words):
    verb, *rest = words
    (tmp_path / "manifest.json").write_text('{"schema": ')
    assert "cannot read manifest.json" in refused(invoke(verb, tmp_path, *rest))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["estimate", "--by", "colour"], "cannot group by 'colour': no such column; allowed: "),
        (["estimate", "--composite", "half"], "'half' is not one of"),
        (["estimate", "--level", "1"], "is not in the range"),
        (["report", "--format", "htlm"], "did you mean 'html'?"),
        (["explain", "--key", "12"], "no row with key '12' in store"),
        (["explain", "--key", "000000000", "--shard", "b.tar"], "in shard 'b.tar' of store"),
        (["explain"], "Missing option '--key'"),
    ],
)
def test_a_question_that_a_store_cannot_answer_is_refused(tmp_path, words, message):
    verb, *rest = words
    assert message in refused(invoke(verb, make_store(tmp_path, a=[generated()]), *rest))


@pytest.mark.parametrize("verb", ["estimate", "report", "explain"])
def test_a_store_whose_rows_are_gone_is_refused(tmp_path, verb):
    store = make_store(tmp_path, a=[photo()])
    (tmp_path / "store" / "scores" / "a.tar.parquet").unlink()
    rest = ["--key", "1"] if verb == "explain" else []
    assert "cannot read scores/a.tar.parquet" in refused(invoke(verb, store, *rest))


def test_rows_that_are_gone_are_named_when_strata_are_asked_for(tmp_path):
    store = make_store(tmp_path, a=[photo()])
    (tmp_path / "store" / "scores" / "a.tar.parquet").unlink()
    assert "scores/a.tar.parquet" in refused(invoke("estimate", store, "--by", "shard"))


@pytest.mark.parametrize("verb", ["estimate", "report"])
def test_a_store_without_a_finished_shard_is_refused(tmp_path, verb):
    store = make_store(tmp_path, a=[photo()])
    (tmp_path / "store" / "shards" / "a.tar.json").unlink()
    assert "none of its shards is finished" in refused(invoke(verb, store))


def test_an_unknown_verb_is_refused():
    assert "no command 'scn'" in refused(invoke("scn"))
