"""What `simulate` prints for a person."""

from __future__ import annotations

from typing import Any

import click

# Columns of the table for people, by family: name in a row to heading.
_COLUMNS = {
    "gaussian": {
        "w2_squared": "E W2²",
        "mean_error": "mean error",
        "variance_ratio": "variance",
        "typical_variance": "typical",
    },
    "mixture": {
        "modes": "modes left",
        "mean_error": "mean error",
        "variance_ratio": "variance",
        "modal_variance_ratio": "within modes",
        "homozygosity": "same mode",
    },
}
_TRAINED_COLUMNS = {
    **{name: name for name in ("fid", "precision", "recall")},
    "variance_ratio": "variance",
    "measured_bias": "measured λ",
}
# Of trained loops with interventions: shown where a row has them.
_INTERVENED_COLUMNS = {
    "filter_tpr": "dropped, synthetic",
    "filter_fpr": "dropped, real",
    "mark_agreement": "bits left",
    "mark_strength": "trace left",
}


def print_trace(content: dict[str, Any], out: str | None) -> None:
    """A row for each generation, about twenty of a long run, and what they end in.

    Args:
        content: the --json output.
        out: folder that it was written to, None for none.
    """
    is_trained = content["family"] not in _COLUMNS
    columns = _COLUMNS.get(content["family"], _TRAINED_COLUMNS)
    for name, heading in _INTERVENED_COLUMNS.items():
        if any(name in row for row in content["trace"]):
            columns = {**columns, name: heading}
    empty = "–" if is_trained else "unbounded"
    seeds = {row.get("seed") for row in content["trace"]}
    widths = {name: max(len(heading), 10) for name, heading in columns.items()}
    heads = "  ".join(f"{heading:>{widths[name]}}" for name, heading in columns.items())
    click.echo(f"{'generation':>10}{'  seed' if len(seeds) > 1 else ''}  {heads}")
    for row in _chosen(content["trace"]):
        cells = "  ".join(
            f"{_number(row.get(name), empty):>{width}}" for name, width in widths.items()
        )
        seed = f"{row['seed']:>6}" if len(seeds) > 1 else ""
        click.echo(f"{row['generation']:>10}{seed}  {cells}")
    for line in _conclusion(content):
        click.echo(line)
    if out is not None:
        drawn = "" if is_trained else " and charts (*.svg)"
        click.echo(f"written: {out}/trace.json, {out}/trace.parquet{drawn}")


def _chosen(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """All rows of a short run, else about twenty, the first and the last among them."""
    last = max(row["generation"] for row in rows)
    step = max(1, -(-last // 20))
    return [row for row in rows if row["generation"] % step == 0 or row["generation"] == last]


def _conclusion(content: dict[str, Any]) -> list[str]:
    lines = [f"note: {flag}" for flag in content["flags"]]
    end = content["fixed_point"]
    if end is None:
        return lines
    where = (
        "in the limit"
        if end["generations_to_converge"] is None
        else (f"converges (1 % left) in {end['generations_to_converge']} generations")
    )
    lines.append(
        f"{where}: E W2² {_number(end['w2_squared'])}, variance {_number(end['variance_ratio'])} "
        f"({end['note']})"
    )
    ratio = content["n_effective_ratio"]
    lines.append(
        f"as good as {_number(content['n_effective'])} real samples alone: "
        f"{_number(ratio)} times those in the loop"
    )
    return lines


def _number(value: float | None, empty: str = "unbounded") -> str:
    return empty if value is None else f"{value:.4g}"
