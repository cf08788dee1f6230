"""Rows on standard output: a table for people, JSON or CSV for programs."""

import csv
import json
import sys
from typing import Any, Dict, List

VERSION = 1
"""Of the JSON that is printed."""


def rows(form: str, columns: List[str], data: List[Dict[str, Any]]) -> None:
    if form == "json":
        print(json.dumps({"version": VERSION, "rows": data}, indent=2))
        return
    if form == "csv":
        writer = csv.writer(sys.stdout)
        writer.writerow(columns)
        writer.writerows([_text(row[c]) for c in columns] for row in data)
        return
    cells = [[c.upper() for c in columns]] + [[_text(row[c]) for c in columns] for row in data]
    widths = [max(len(line[n]) for line in cells) for n in range(len(columns))]
    for line in cells:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip())


def _text(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return ",".join(str(v) for v in value)
    return "" if value is None else str(value)
