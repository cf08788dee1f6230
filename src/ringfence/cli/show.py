"""What is printed: a table for people, JSON, YAML or CSV for programs."""

import csv
import json
import sys
from typing import Any, Dict, Iterator, List

VERSION = 1
"""Of the JSON that is printed."""


WHOLE = ("json", "yaml")
"""The forms that can hold more than rows."""


def whole(form: str, data: Dict[str, Any]) -> None:
    """A mapping of plain data, with the version of its shape. ``form``: one of ``WHOLE``."""
    data = dict(data, version=VERSION)
    print(json.dumps(data, indent=2, sort_keys=True) if form == "json" else "\n".join(_yaml(data)))


def _yaml(value: Any) -> Iterator[str]:
    """Lines of YAML, whose plain values are written as in JSON: dom0 has no module for it."""
    pairs = sorted(value.items()) if isinstance(value, dict) else [(None, inner) for inner in value]
    for key, inner in pairs:
        head = "-" if key is None else "{}:".format(json.dumps(str(key)))
        if not inner or not isinstance(inner, (dict, list, tuple)):
            yield "{} {}".format(head, json.dumps(inner))
            continue
        lines = list(_yaml(inner))
        if key is None:
            lines[0] = "- " + lines[0]
            yield lines[0]
            for line in lines[1:]:
                yield "  " + line
        else:
            yield head
            for line in lines:
                yield "  " + line


def rows(form: str, columns: List[str], data: List[Dict[str, Any]]) -> None:
    if form in WHOLE:
        whole(form, {"rows": data})
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
