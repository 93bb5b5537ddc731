"""A Ray cluster that loses a node and a worker in mid-scan gives the rows of `serial`."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import madaudit
from madaudit.detectors import DEFAULTS
from madaudit.scanning.engines import build_engine
from madaudit.scanning.plan import Plan
from madaudit.scanning.store import Store
from madaudit.scanning.tasks import plan_tasks
from madaudit.shards.locate import locate
from tests.scanning.data_building import all_files, rows, samples, scan, write_tar

ray = pytest.importorskip("ray", reason="ray (extra ray) is not installed")

pytestmark = [pytest.mark.ray, pytest.mark.filterwarnings("ignore")]

_FOLDERS = ("scores", "sketches", "thumbnails")
_REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("PYTHONPATH", str(_REPOSITORY))
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("RAY_raylet_start_wait_time_s", "120")  # a busy machine is no failure
    cluster = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False}
    )
    yield cluster
    ray.shutdown()
    cluster.shutdown()


def _workers_of(node: Any) -> list[int]:
    """Processes of a node that scan a shard now."""
    parents = {info.process.pid for infos in node.all_processes.values() for info in infos}
    found = []
    for entry in Path("/proc").iterdir():
        try:
            command = (entry / "cmdline").read_bytes()
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError, IndexError):
            continue
        if parent in parents and command.startswith(b"ray::_scan_task"):
            found.append(int(entry.name))
    return found


def test_a_node_and_a_worker_killed_in_mid_scan_cost_nothing(
    tmp_path: Path, cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from madaudit.scanning.engines import ray as engine

    deaths: list[str] = []
    after_death = engine._Run._after_death

    def counting(self: Any, handed: Any, waiting: Any, error: Any) -> Any:
        deaths.append(handed.task.shard.name)
        return after_death(self, handed, waiting, error)

    monkeypatch.setattr(engine._Run, "_after_death", counting)
    second = cluster.add_node(num_cpus=1)
    ray.init(address=cluster.address, configure_logging=False, log_to_driver=False)
    data = tmp_path / "data"
    for number in range(16):
        write_tar(data / f"{number:05d}.tar", samples(150 + number))
    expected = scan([data], tmp_path / "serial")

    plan = Plan(DEFAULTS)
    tasks = plan_tasks(locate([str(data)]).shards, n_sample=None, seed=0)
    finished, killed, has_lost_node = [], 0, False
    for event in build_engine("ray", workers=1).run(plan, tasks, Store(str(tmp_path / "ray"))):
        finished += [event.finished] if event.finished is not None else []
        if finished and not has_lost_node:
            cluster.remove_node(second, allow_graceful=False)
            has_lost_node = True
        elif has_lost_node and killed < 1 and (workers := _workers_of(cluster.head_node)):
            os.kill(workers[0], signal.SIGKILL)
            killed += 1
    assert has_lost_node
    assert killed == 1
    assert deaths
    assert all_files(tmp_path / "ray", *_FOLDERS) == all_files(tmp_path / "serial", *_FOLDERS)
    assert sorted(summary.shard for summary in finished) == [task.shard.name for task in tasks]
    assert all(summary.is_done for summary in finished)
    assert sum(s.n_rows for s in finished) == sum(s.n_rows for s in expected)


@pytest.mark.parametrize("how", ["die", "hang"])
def test_an_image_that_kills_or_holds_its_worker_is_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    from madaudit import registry
    from madaudit.scanning.engines import ray as engine

    package = tmp_path / "site" / "stubborn-1.dist-info"
    package.mkdir(parents=True)
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: stubborn\nVersion: 1\n")
    (package / "entry_points.txt").write_text(
        "[madaudit.detectors]\nstubborn = tests.scanning.stubborn:Stubborn\n"
    )
    monkeypatch.setenv("PYTHONPATH", f"{_REPOSITORY}:{tmp_path / 'site'}")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    monkeypatch.setattr(engine, "_GRACE_S", 0.5)
    registry.third_party.cache_clear()
    write_tar(tmp_path / "a.tar", samples(8))
    (summary,) = scan(
        [tmp_path / "a.tar"],
        tmp_path / "store",
        engine="ray",
        detectors=("stubborn", "a1111"),
        options={"stubborn": {"how": how}},
        image_timeout_s=1.0,
    )
    registry.third_party.cache_clear()
    assert summary.n_rows == 8
    statuses = [row["status"] for row in rows(tmp_path / "store", "a.tar")]
    assert statuses[3] == ("decode_error" if how == "die" else "timeout")
    assert statuses[4:] == ["ok"] * 4


def test_a_store_that_cannot_be_written_stops_the_scan_with_one_error(tmp_path: Path) -> None:
    from madaudit.errors import StoreError

    write_tar(tmp_path / "a.tar", samples(8))
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "scores").write_text("a file in the folder's place")
    with pytest.raises(StoreError, match="cannot write scores") as caught:
        scan([tmp_path / "a.tar"], tmp_path / "store", engine="ray")
    assert "\n" not in str(caught.value)


def test_a_cluster_that_is_not_there_is_a_wrong_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from madaudit.errors import RequestError

    monkeypatch.setenv("RAY_ADDRESS", "no-such-port")
    write_tar(tmp_path / "a.tar", samples(8))
    with pytest.raises(RequestError, match="cannot reach a Ray cluster"):
        madaudit.scan(str(tmp_path / "a.tar"), str(tmp_path / "s"), engine="ray")
