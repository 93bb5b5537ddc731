"""The PyTorch hook with real loaders and workers."""

from __future__ import annotations

import pytest

import madaudit
from madaudit.errors import InputError
from madaudit.scanning.plan import Plan
from tests.commands.store_building import generated, photo, scan_into
from tests.hooks.pipeline_building import make_world

torch = pytest.importorskip("torch", reason="torch is not installed: the hook is tested in it")
pytestmark = [
    pytest.mark.torch,
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    # On a machine of one core torch warns of two workers, which is what is tested.
    pytest.mark.filterwarnings("ignore:This DataLoader will create"),
]


class Numbers(torch.utils.data.Dataset):
    """A map-style data set of n samples."""

    def __init__(self, n):
        self._n = n

    def __len__(self):
        return self._n

    def __getitem__(self, index):
        return index


class Folder(Numbers):
    """A data set of image files, as ImageFolder has them."""

    def __init__(self, paths):
        super().__init__(len(paths))
        self.samples = [(str(path), 0) for path in paths]


@pytest.fixture
def world(tmp_path):
    return make_world(tmp_path)


@pytest.fixture
def keep(world):
    from madaudit.hooks.torch import Keep

    return Keep(world.store)


def numbers_of(world):
    return [int(key) for key in world.kept_keys]


def loaded(dataset, **options):
    loader = torch.utils.data.DataLoader(dataset, batch_size=None, **options)
    return [int(x) for x in loader]


def test_a_data_set_as_long_as_the_store_is_matched_row_by_row(world, keep):
    assert loaded(keep.dataset(Numbers(63)), num_workers=2) == numbers_of(world)
    assert keep.report()["dropped"] == 18


def test_a_sampler_leaves_the_data_set_as_it_is(world, keep):
    sampler = keep.sampler(Numbers(63), shuffle=False)
    assert loaded(Numbers(63), sampler=sampler) == numbers_of(world)
    generator = torch.Generator().manual_seed(1)
    shuffled = loaded(Numbers(63), sampler=keep.sampler(Numbers(63), generator=generator))
    assert shuffled != numbers_of(world)
    assert sorted(shuffled) == numbers_of(world)


def test_indices_may_be_named_by_shard_and_place(world, keep):
    kept = keep.indices(Numbers(21), lambda index: ("00001.tar", index))
    assert kept == [int(key) - 21 for shard, key in world.kept if shard == "00001.tar"]


def test_a_data_set_of_another_length_is_refused_with_what_to_give(keep):
    with pytest.raises(InputError, match="identify="):
        keep.dataset(Numbers(5))


@pytest.mark.parametrize("is_relative", [False, True])
def test_image_files_are_matched_by_their_paths(tmp_path, monkeypatch, is_relative):
    from madaudit.hooks.torch import Keep

    (tmp_path / "images").mkdir()
    paths = [tmp_path / "images" / f"{i}.png" for i in range(6)]
    for i, path in enumerate(paths):
        path.write_bytes((generated if i % 2 else photo)(i).data)
    monkeypatch.chdir(tmp_path)
    store = scan_into(tmp_path, str(tmp_path / "images"))
    shown = [path.relative_to(tmp_path) for path in paths] if is_relative else paths
    assert Keep(store).indices(Folder([*shown, tmp_path / "new.png"])) == [0, 2, 4, 6]


@pytest.mark.parametrize("context", ["fork", "spawn"])
def test_a_stream_in_workers_keeps_what_filter_keeps_and_counts_it(world, keep, context):
    webdataset = pytest.importorskip(
        "webdataset", reason="webdataset is not installed: it makes the stream"
    )
    madaudit.index(world.store)
    stream = keep.iterable(webdataset.WebDataset(world.urls, shardshuffle=False))
    loader = torch.utils.data.DataLoader(
        stream, batch_size=None, num_workers=2, multiprocessing_context=context
    )
    found = sorted(sample["__key__"] for sample in loader)
    assert found == world.kept_keys
    assert keep.report()["dropped"] == 18


def test_looking_now_keeps_the_same(world):
    webdataset = pytest.importorskip(
        "webdataset", reason="webdataset is not installed: it makes the stream"
    )
    from madaudit.hooks.torch import Audit

    audit = Audit(Plan(("a1111", "iptc")))
    stream = audit.iterable(webdataset.WebDataset(world.urls, shardshuffle=False))
    loader = torch.utils.data.DataLoader(stream, batch_size=None, num_workers=2)
    assert sorted(sample["__key__"] for sample in loader) == world.kept_keys
    assert audit.report()["reasons"] == {"marked by a1111": 18}
