"""Tables as some of Kafka's tools print them: cells padded to the width of their column, a tab after each.

Source: org.apache.kafka.tools.ToolsUtils.prettyPrintTable.
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["print_table"]


def print_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    for row in (heads, *rows):
        print("".join(f"{cell:{width}}\t" for cell, width in zip(row, widths, strict=True)))
