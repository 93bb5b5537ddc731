"""Domains counted by column say what they say one by one."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from madaudit.commands.domain_counts import hosts_of
from madaudit.commands.store_rows import domain

_URLS = [
    "https://www.Example.org/a.jpg", "http://user:pw@host.example:8080/x?y#z", "//no.scheme/x",
    "https://", "ftp://a", "no url", "", None, "https://www.www.example/", "HTTPS://A.B",
    "https://host?q", "https://[::1]/x", "javascript:alert(1)", "https://ｅxample.org/ü",
]  # fmt: skip


@pytest.mark.parametrize("url", _URLS, ids=str)
def test_known_addresses(url):
    assert hosts_of(pa.array([url], pa.string())).to_pylist() == [domain(url)]


@pytest.mark.slow
@given(st.lists(st.text(alphabet="aB.:/?#@w-+1ü\n", max_size=30), max_size=5))
def test_any_address(urls):
    whole = [f"https://{url}" for url in urls]
    expected = [domain(url) for url in whole]
    assert hosts_of(pa.array(whole, pa.string())).to_pylist() == expected
