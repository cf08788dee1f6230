"""What the benches do with their figures."""

import argparse
import json
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def ratio(ones: Sequence[float], others: Sequence[float]) -> float:
    """Median of the ratios of each turn."""
    return statistics.median(one / other for one, other in zip(ones, others, strict=True))


def can_be_kept(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", metavar="FILE", help="write every single figure, too")


def keep(raw: Any, file: str | None) -> None:
    if file:
        Path(file).write_text(json.dumps(raw, indent=1))
