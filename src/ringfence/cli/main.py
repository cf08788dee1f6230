"""ringfence: the command line's main."""

import argparse
import gc
import re
import sys
from importlib import import_module
from typing import Any, Dict, Iterator, List, NoReturn, Optional, Sequence

from .. import __version__
from ..errors import RingfenceError

FINGERPRINT = re.compile("[0-9a-fA-F]{64}")
COMMANDS = (
    "status",
    "metrics",
    "drops",
    "vif",
    "ip",
    "group",
    "network",
    "export",
    "diff",
    "apply",
    "confirm",
    "check",
    "suggest",
    "audit",
    "adopt",
    "explain",
    "host",
)


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, "ringfence: {}: see {} --help\n".format(" ".join(message.split()), self.prog))


def parser(words: Sequence[str] = ()) -> argparse.ArgumentParser:
    """With all commands, or (``words`` are those typed) with the definitions of those alone that are named there."""
    named = set(words) & set(COMMANDS) or set(COMMANDS)
    top = Parser(prog="ringfence", description="Guest isolation for XenServer and XCP-ng on Open vSwitch.")
    top.add_argument("--version", action="version", version=__version__)
    _common(top, {"pool": None, "fingerprint": None, "output": "table"})
    commands = top.add_subparsers(dest="command", metavar="COMMAND")
    commands.required = True  # as an argument only from Python 3.7 on
    for name in COMMANDS:
        if name not in named:
            commands.add_parser(name)
            continue
        module = import_module("ringfence.cli." + name)
        command = commands.add_parser(name, help=module.HELP, description=module.__doc__)
        module.define(command)
        for end in _ends(command):
            _common(end, {})
    return top


def _common(parser: argparse.ArgumentParser, defaults: Dict[str, Any]) -> None:
    """What may stand in front of the command and behind it. Without a default nothing is set where it is not given."""

    def option(*words: str, **more: Any) -> None:
        name = words[-1].strip("-")
        parser.add_argument(*words, default=defaults.get(name, None if defaults else argparse.SUPPRESS), **more)

    option("--pool", metavar="HOST", help="master of a pool, from a workstation (login: RINGFENCE_USER and _PASSWORD, or ~/.netrc)")
    option("--fingerprint", type=_fingerprint, metavar="SHA256", help="of the master's certificate, instead of an authority's word")
    option("-o", "--output", choices=("table", "json", "yaml", "csv"), help="form of what is printed (table)")


def _fingerprint(text: str) -> str:
    """SHA-256 as openssl prints it, with or without colons."""
    if not FINGERPRINT.fullmatch(text.replace(":", "")):
        raise argparse.ArgumentTypeError("{!r} is no SHA-256 fingerprint: write 64 hexadecimal digits, with or without colons".format(text))
    return text


def _ends(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """The parser, or those of its own commands."""
    inner = [p for action in parser._actions if isinstance(action, argparse._SubParsersAction) for p in action.choices.values()]
    if not inner:
        yield parser
    for one in inner:
        for end in _ends(one):
            yield end


def main(argv: Optional[List[str]] = None) -> int:
    """Exit status: 0 done, 1 negative answer, 2 usage or bad input, 3 unreachable, 4 refused by the pool."""
    options = parser(sys.argv[1:] if argv is None else argv).parse_args(argv)
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
