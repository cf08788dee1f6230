"""ringfence: the command line's main."""

import argparse
import gc
import sys
from importlib import import_module
from typing import List, Optional

from .. import __version__
from ..errors import RingfenceError

COMMANDS = (
    "status",
    "metrics",
    "vif",
    "ip",
    "group",
    "network",
    "export",
    "diff",
    "apply",
    "confirm",
    "check",
    "audit",
    "adopt",
    "explain",
    "host",
)


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="ringfence", description="Guest isolation for XenServer and XCP-ng on Open vSwitch.")
    top.add_argument("--version", action="version", version=__version__)
    top.add_argument("--pool", metavar="HOST", help="master of a pool, from a workstation (RINGFENCE_USER, RINGFENCE_PASSWORD)")
    top.add_argument("--fingerprint", help="SHA-256 of the master's certificate, instead of an authority's word")
    top.add_argument("-o", "--output", choices=("table", "json", "csv"), default="table", help="form of what is printed")
    commands = top.add_subparsers(dest="command", metavar="COMMAND")
    commands.required = True  # as an argument only from Python 3.7 on
    for name in COMMANDS:
        module = import_module("ringfence.cli." + name)
        module.define(commands.add_parser(name, help=module.HELP, description=module.__doc__))
    return top


def main(argv: Optional[List[str]] = None) -> int:
    """Exit status: 0 done, 1 negative answer, 2 usage or bad input, 3 unreachable, 4 refused by the pool."""
    options = parser().parse_args(argv)
    if argv is None:
        gc.disable()  # this process ends soon: looking through a large pool's rows for garbage takes longer than they are needed
    try:
        return int(import_module("ringfence.cli." + options.command).run(options))
    except RingfenceError as error:
        sys.stderr.write("ringfence: {}\n".format(error))
        return error.exit_status
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return 0


if __name__ == "__main__":
    sys.exit(main())
