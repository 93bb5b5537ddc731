"""Parts of a page that a script writes, between `<!-- name -->` and `<!-- /name -->`."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def replace(page: Path, name: str, text: str) -> None:
    """Put a text where the page has that section; the page keeps everything else."""
    before, opening, rest = page.read_text(encoding="utf-8").partition(f"<!-- {name} -->\n")
    _, closing, after = rest.partition(f"<!-- /{name} -->")
    if not opening or not closing:
        raise SystemExit(f"{page} has no section <!-- {name} --> … <!-- /{name} -->")
    page.write_text(f"{before}{opening}{text.rstrip()}\n{closing}{after}", encoding="utf-8")


def table(header: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines) + "\n"
