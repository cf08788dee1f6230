"""ringfence host: put ringfence in force on this host, exchange its version, take it away, and see what is wrong."""

from typing import Any

from . import show
from .pool import here_only

HELP = "install, upgrade, uninstall or examine ringfence on this host"


def define(parser: Any) -> None:
    what = parser.add_subparsers(dest="what", metavar="WHAT")
    what.required = True
    what.add_parser("install", help="put this version in force: hook, agent, watchdog; running VIFs are adopted as they are")
    what.add_parser("upgrade", help="exchange the version in force for this one; no packet is lost")
    gone = what.add_parser("uninstall", help="put the stock hook back and take every flow of ringfence out of the switch")
    gone.add_argument("--open-isolated", action="store_true", help="even where VIFs here have a policy that only ringfence enforces")
    what.add_parser("doctor", help="check everything that ringfence needs on this host, with the mend of what is wrong")


def run(options: Any) -> int:
    """0 done, or nothing is wrong; 1 where the doctor found something that failed."""
    here_only(options)
    from ..host.install import install, upgrade  # these need Open vSwitch's modules, which a workstation may lack
    from ..host.uninstall import uninstall

    if options.what == "install":
        install(print)
    elif options.what == "upgrade":
        upgrade(print)
    elif options.what == "uninstall":
        uninstall(print, options.open_isolated)
    else:
        return _doctor(options.output)
    return 0


def _doctor(form: str) -> int:
    from ..host.checks import FAILED, OK, Check, after, before

    found = before() + after()
    if form in show.WHOLE:
        show.whole(form, {"checks": [dict(one._asdict()) for one in found]})
    elif form == "csv":
        show.rows(form, list(Check._fields), [dict(one._asdict()) for one in found])
    else:
        width = max(len(one.name) for one in found)
        for one in found:
            print("{:7}  {:{}}  {}".format(one.result, one.name, width, one.what))
            if one.result != OK and one.mend:
                print("{:7}  {:{}}  mend: {}".format("", "", width, one.mend))
    return 1 if any(one.result == FAILED for one in found) else 0
