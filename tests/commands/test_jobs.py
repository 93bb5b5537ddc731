"""Jobs that share a store by --shard-index and --num-shards need no merge."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import madaudit
from madaudit.scanning.store import Store
from madaudit.scanning.survey import Survey
from tests.scanning.data_building import all_files, samples, write_tar

_REPOSITORY = Path(__file__).parents[2]
_JOBS = _REPOSITORY / "docs" / "jobs"
_FOLDERS = ("scores", "sketches", "thumbnails")


def _data(folder: Path, n: int) -> Path:
    for number in range(n):
        write_tar(folder / f"{number:05d}.tar", samples(10 + number))
    return folder


def _without_times(survey: Survey) -> list[dict[str, object]]:
    return [{k: v for k, v in marker.items() if k != "seconds"} for marker in survey.markers]


@pytest.mark.slow
@pytest.mark.parametrize("order", [[0, 1, 2], [2, 0, 1], [1, 1, 0, 2]])
def test_jobs_in_any_order_make_the_store_of_one_scan(tmp_path: Path, order: list[int]) -> None:
    data = _data(tmp_path / "data", 7)
    whole = madaudit.scan(str(data), str(tmp_path / "whole"), engine="serial")
    for index in order:
        last = madaudit.scan(
            str(data), str(tmp_path / "jobs"), engine="serial", shard_index=index, num_shards=3
        )
    assert all_files(tmp_path / "jobs", *_FOLDERS) == all_files(tmp_path / "whole", *_FOLDERS)
    stores = [Store(str(tmp_path / name)).survey() for name in ("jobs", "whole")]
    assert _without_times(stores[0]) == _without_times(stores[1])
    assert (last.samples, last.status, last.detectors) == (
        whole.samples,
        whole.status,
        whole.detectors,
    )
    assert madaudit.verify(str(tmp_path / "jobs")).consistent


@pytest.mark.slow
def test_jobs_at_the_same_time_make_the_store_of_one_scan(tmp_path: Path) -> None:
    data = _data(tmp_path / "data", 5)
    madaudit.scan(str(data), str(tmp_path / "whole"), engine="serial")
    jobs = [
        subprocess.Popen(
            [
                *[sys.executable, "-m", "madaudit", "scan", str(data), "-q"],
                *["-o", str(tmp_path / "jobs"), "--engine", "serial"],
                *["--shard-index", str(index), "--num-shards", "2"],
            ],
            cwd=_REPOSITORY,
        )
        for index in range(2)
    ]
    assert [job.wait() for job in jobs] == [0, 0]
    assert all_files(tmp_path / "jobs", *_FOLDERS) == all_files(tmp_path / "whole", *_FOLDERS)
    assert madaudit.verify(str(tmp_path / "jobs")).consistent


def test_the_slurm_job_names_flags_that_exist() -> None:
    text = (_JOBS / "slurm.sh").read_text(encoding="utf-8")
    assert re.search(r"^#SBATCH --array=0-\d+", text, re.MULTILINE)
    assert subprocess.run(["bash", "-n", str(_JOBS / "slurm.sh")], check=False).returncode == 0
    _check_flags(text)


def test_the_kubernetes_job_is_an_indexed_one() -> None:
    (job,) = yaml.safe_load_all((_JOBS / "kubernetes.yaml").read_text(encoding="utf-8"))
    assert (job["kind"], job["spec"]["completionMode"]) == ("Job", "Indexed")
    (container,) = job["spec"]["template"]["spec"]["containers"]
    names = {item["name"]: item.get("value") for item in container["env"]}
    assert int(names["NUM_SHARDS"]) == job["spec"]["completions"]
    _check_flags(" ".join(container["args"]))


def test_the_ray_job_names_flags_that_exist() -> None:
    (service,) = yaml.safe_load_all((_JOBS / "ray.yaml").read_text(encoding="utf-8"))
    assert service["kind"] == "RayJob"
    _check_flags(service["spec"]["entrypoint"])


def _check_flags(text: str) -> None:
    from madaudit.commands.scan import command

    known = {option for parameter in command.params for option in parameter.opts}
    call = text[text.index("madaudit scan") :]
    used = set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", call))
    assert used <= known, used - known
    assert used & {"-o", "--engine"}
