"""``--dry-run``, with ``-v`` in flows too: what every command takes that changes a policy."""

from typing import Any


def add_dry_run(parser: Any, more: str = "") -> None:
    parser.add_argument("--dry-run", action="store_true", help="show before and after{}, and change nothing".format(more))
    parser.add_argument("-v", "--verbose", action="store_true", help="with --dry-run: show the flows, too, that come and go on each host")
