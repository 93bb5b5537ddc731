"""What every renderer promises; a new one is tested by standing in RENDERERS."""

from __future__ import annotations

import pytest

from madaudit.contracts.renderers import CHECKS, RendererCase
from madaudit.errors import OptionError
from madaudit.reports import RENDERERS, build_renderer
from tests.contracts.promises import promise_of

every_renderer = pytest.mark.parametrize("name", RENDERERS)


@every_renderer
@pytest.mark.parametrize("check", CHECKS, ids=promise_of)
def test_it_keeps_the_contract(check, name):
    check(RendererCase(name, build_renderer(name)))


def test_no_two_write_the_same_file():
    files = [build_renderer(name).file_name for name in RENDERERS]
    assert len(set(files)) == len(files)


def test_an_unknown_renderer_is_refused_with_the_known_ones():
    with pytest.raises(OptionError, match=r"'htm' does not exist \(known: .*html.*'html'\?"):
        build_renderer("htm")
