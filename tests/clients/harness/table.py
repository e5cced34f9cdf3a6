"""Counts the rows of each client while the tests run and prints them as one table at the end."""

from __future__ import annotations

from collections import Counter, defaultdict


class Table:
    def __init__(self) -> None:
        self.rows: dict[str, Counter[str]] = defaultdict(Counter)
        self.versions: dict[str, str] = {}
        self.missing: dict[str, str] = {}

    def count(self, client: str, outcome: str) -> None:
        self.rows[client][outcome] += 1

    def lines(self) -> list[str]:
        cells = [("client", "version", "rows", "passed", "failed", "skipped")]
        for client, counts in self.rows.items():
            version = self.missing.get(client) or self.versions.get(client, "")
            numbers = (sum(counts.values()), counts["passed"], counts["failed"], counts["skipped"])
            cells.append((client, version, *map(str, numbers)))
        widths = [max(len(row[column]) for row in cells) for column in range(6)]
        return [
            "  ".join(
                cell.ljust(w) if i < 2 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))
            )
            for row in cells
        ]
