from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from madaudit.shards.grouping import is_image, is_unsafe, split_name

# The rule as webdataset 0.2.111 and 1.0.2 write it down (tariterators.base_plus_ext).
WEBDATASET_RULE = re.compile(r"^((?:.*/|)[^.]+)[.]([^/]*)$")


def by_webdataset(path: str) -> tuple[str, str]:
    match = WEBDATASET_RULE.match(path)
    return ("", "") if match is None else (match.group(1), match.group(2).lower())


def is_hidden(path: str) -> bool:
    """Whether the file's own name begins with a dot: webdataset takes those for samples."""
    return path.rpartition("/")[2].startswith(".")


@settings(max_examples=300, deadline=None, derandomize=True)
@given(path=st.text("aB./_é0", max_size=12))
def test_names_are_split_as_webdataset_splits_them(path: str) -> None:
    assert split_name(path) == (("", "") if is_hidden(path) else by_webdataset(path))


@pytest.mark.parametrize(
    ("path", "key", "field"),
    [
        ("000000000.jpg", "000000000", "jpg"),
        ("img.v2.jpg", "img", "v2.jpg"),
        ("a.b/c.d.JSON", "a.b/c", "d.json"),
        ("./x.PNG", "./x", "png"),
        ("x.", "x", ""),
    ],
)
def test_a_name_is_cut_at_the_first_dot_of_its_last_part(path: str, key: str, field: str) -> None:
    assert split_name(path) == (key, field)


@pytest.mark.parametrize("path", ["README", ".DS_Store", "a/._x.jpg", "a.b/", "a.b/c", "", "."])
def test_hidden_names_and_names_without_extension_are_no_part_of_a_sample(path: str) -> None:
    assert split_name(path) == ("", "")


@pytest.mark.parametrize("field", ["jpg", "jpeg", "png", "webp", "v2.jpg", "mask.png", "tiff"])
def test_images_are_known_by_their_last_extension(field: str) -> None:
    assert is_image(field)


@pytest.mark.parametrize("field", ["", "json", "txt", "jpg.txt", "npy", "jpg.", "cls"])
def test_other_fields_are_no_images(field: str) -> None:
    assert not is_image(field)


@pytest.mark.parametrize("path", ["/x.jpg", "../x.jpg", "a/../x.jpg", "a/..", "..\\x.jpg"])
def test_names_that_leave_their_folder_are_unsafe(path: str) -> None:
    assert is_unsafe(path)


@pytest.mark.parametrize("path", ["x.jpg", "./x.jpg", "a/b.jpg", "a..b.jpg", "a/..b.jpg"])
def test_names_that_stay_in_their_folder_are_safe(path: str) -> None:
    assert not is_unsafe(path)
