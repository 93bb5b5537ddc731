"""ExampleGen: the comment that this program writes into its JPEG files."""

from dataclasses import dataclass
from typing import ClassVar

from madaudit.detectors.base import Look, MarkDetector, one_line
from madaudit.types import Detail


@dataclass(frozen=True)
class ExampleGen(MarkDetector):
    """Comments that begin with the program's name.

    Attributes:
        prefix: what such a comment begins with.
    """

    prefix: str = "Made with ExampleGen"

    name: ClassVar[str] = "example_gen"
    version: ClassVar[int] = 1
    verified: ClassVar[str] = "from source (example/gen, save.py)"

    def examine(self, look: Look) -> Detail | None:
        if look.container is None:
            return None
        for block in look.container.of_kind("comment"):
            if block.text.startswith(self.prefix):
                return Detail(
                    says=f"ExampleGen signed it: {one_line(block.text, 60)!r} in {block.where}",
                    label="synthetic",
                    tool="ExampleGen",
                    field=block.where,
                )
        return None
