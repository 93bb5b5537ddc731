"""`scripts/bench all`: every verb in turn, each in a process of its own, and one table of them.

A verb joins by standing in the table of `scripts/bench`; what it says by `bench_rounds.figure`
is its row, the last line of its output where it says nothing so. A verb whose package or weights
are absent is a row that says so. Results are kept one file a verb, so a run that was ended goes
on, and a second Python that has what the first lacked fills in the rest. `--write` puts the table
into docs/performance.md, and each verb's first figure into README.md.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from bench_rounds import ABSENT, FIGURE
from page_sections import replace, table

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / ".cache" / "bench"
# Sizes smaller than a verb's own, so that all together take some ten minutes of a processor.
SIZES: dict[str, dict[str, int]] = {
    "clip": {"samples": 12, "rounds": 3},
    "estimate": {"strata": 500, "shards": 20, "strata-at-once": 5000},
    "forensic": {"rounds": 5},
    "hooks": {"samples": 2000, "rounds": 3},
    "index": {"keys": 3_000_000, "lookups": 50_000},
    "loops": {"rounds": 3},
    "metadata": {"rows": 100_000, "rounds": 2},
    "risk": {"strata": 20_000, "rounds": 3},
    "scan": {"samples": 3000},
    "watermark": {"rounds": 3},
}
# A verb that hangs must not hold up the others.
_MOST_S = 1800
_N_PHOTOS = 12
_PACKAGES = (
    *("numpy", "scipy", "pyarrow", "pillow", "simplejpeg", "orjson", "onnxruntime", "torch"),
    *("open_clip_torch", "faiss-cpu", "ray", "webdataset", "duckdb", "invisible-watermark"),
)


def bench_all(verbs: Mapping[str, Any], options: Any) -> int:
    """Run what has no result yet, print the table; the exit code."""
    folder = Path(options.results)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="madaudit-bench-") as place:
        photos = [str(path) for path in options.photos] or write_photos(Path(place), verbs)
        for verb, (_, calls) in verbs.items():
            words = arguments_of(verb, calls)
            before = read(folder, verb)
            is_wanted = not options.only or verb in options.only
            is_known = before.get("arguments") == words and before.get("code") == 0
            if is_wanted and (verb in options.again or not is_known):
                takes_photos = any("photos" in arguments for _, arguments in calls)
                run(verb, words, photos if takes_photos else [], folder)
    results = {verb: read(folder, verb) for verb in verbs}
    text = in_words(results)
    print(text)
    wrong = [verb for verb, result in results.items() if result.get("code") not in (0, ABSENT)]
    if wrong:
        print(f"not measured: {', '.join(wrong)}", file=sys.stderr)
    elif options.write:
        replace(ROOT / "docs" / "performance.md", "all", text)
        replace(ROOT / "README.md", "figures", first_figures(results))
    return 1 if wrong else 0


def write_photos(folder: Path, verbs: Mapping[str, Any]) -> list[str]:
    """Photos for the verbs that take some, of what comes inside scikit-image."""
    if not any("photos" in arguments for _, calls in verbs.values() for _, arguments in calls):
        return []
    from bench_scan import photos

    paths = []
    for number, picture in enumerate(photos(_N_PHOTOS, 1024)):
        paths.append(str(folder / f"{number:02d}.jpg"))
        picture.save(paths[-1], quality=95)
    return paths


def arguments_of(verb: str, calls: list[tuple[str, Mapping[str, Any]]]) -> list[str]:
    """The sizes of a verb as words of its command line."""
    words = []
    for _, arguments in calls:
        for name, default in arguments.items():
            if isinstance(default, int):
                words += [f"--{name}", str(SIZES.get(verb, {}).get(name, default))]
    return words


def run(verb: str, words: list[str], photos: list[str], folder: Path) -> None:
    """One verb, and what it said into its file."""
    print(f"{verb} {' '.join(words)}", file=sys.stderr, flush=True)
    began, output = time.monotonic(), folder / f"{verb}.txt"
    with output.open("w", encoding="utf-8") as file:
        try:
            done = subprocess.run(
                [sys.executable, str(ROOT / "scripts" / "bench"), verb, *words, *photos],
                stdout=file, stderr=subprocess.STDOUT, cwd=ROOT, check=False, timeout=_MOST_S,
            )  # fmt: skip
            code = done.returncode
        except subprocess.TimeoutExpired:
            code = -1
            file.write(f"ended after {_MOST_S} s\n")
    lines = output.read_text(encoding="utf-8").strip().splitlines() or ["it printed nothing"]
    figures = [line.removeprefix(FIGURE).strip() for line in lines if line.startswith(FIGURE)]
    result = {
        "arguments": words,
        "code": code,
        "figures": figures or [lines[-1].strip()],
        "seconds": round(time.monotonic() - began),
        "commit": commit(),
        "date": time.strftime("%Y-%m-%d"),
        "machine": machine(),
        "load": round(os.getloadavg()[0], 1),
        "versions": versions(),
    }
    partial = folder / f".{verb}.partial"
    partial.write_text(json.dumps(result, indent=1, ensure_ascii=False), encoding="utf-8")
    os.replace(partial, folder / f"{verb}.json")


def read(folder: Path, verb: str) -> dict[str, Any]:
    """A verb's result; empty where there is none, or where a run was ended in its writing."""
    try:
        return dict(json.loads((folder / f"{verb}.json").read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}


def commit() -> str:
    words = ["git", "describe", "--always", "--dirty=+"]
    done = subprocess.run(words, capture_output=True, text=True, cwd=ROOT, check=False)
    return done.stdout.strip() or "no commit"


def machine() -> str:
    """The processor, and how many there are."""
    name = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        name = next(line.partition(":")[2].strip() for line in lines if "model name" in line)
    except (OSError, StopIteration):
        pass
    return f"{name}, {os.cpu_count()} processors"


def versions() -> dict[str, str]:
    found = {"Python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def in_words(results: Mapping[str, Mapping[str, Any]]) -> str:
    """The machine, the versions, and one row a verb."""
    rows, machines, packages, loads, seconds = [], set(), {}, [], 0
    for verb, result in results.items():
        if not result:
            rows.append([f"`{verb}`", "not run yet", "", ""])
            continue
        machines.add(result["machine"])
        loads += [result["load"]] if "load" in result else []
        for name, version in result["versions"].items():
            packages.setdefault(name, set()).add(version)
        seconds += result["seconds"]
        said = "; ".join(result["figures"])
        if result["code"] != 0:
            said = f"not measured: {said}"
        took = f"{result['seconds']:,} s"
        rows.append([f"`{verb}`", said.replace("|", "\\|"), took, result["commit"]])
    told = ", ".join(f"{name} {' and '.join(sorted(found))}" for name, found in packages.items())
    return (
        f"{'; '.join(sorted(machines))}, on which {min(loads, default=0)} to "
        f"{max(loads, default=0)} programs wanted to run at the end of a verb. {told}. All verbs "
        f"together took {seconds / 60:.0f} minutes.\n\n"
        + table(["verb", "figures", "took", "commit"], rows)
    )


def first_figures(results: Mapping[str, Mapping[str, Any]]) -> str:
    """Each measured verb's first figure, for README.md."""
    rows = [
        [f"`{verb}`", result["figures"][0].replace("|", "\\|")]
        for verb, result in results.items()
        if result.get("code") == 0
    ]
    return table(["`scripts/bench`", "measured"], rows)
