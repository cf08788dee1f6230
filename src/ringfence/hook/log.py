"""What the hook has to say, in syslog. Most runs say nothing, and do not load what it takes to say it."""

import os

from .. import TYPE_CHECKING, paths

if TYPE_CHECKING:
    from typing import Any


def start() -> "Any":
    """The logger of the whole package, with a handler."""
    import logging
    import logging.handlers

    found = logging.getLogger("ringfence")
    if found.handlers:
        return found
    handler: logging.Handler = logging.NullHandler()
    if paths.ROOT:
        folder = paths.under_root("/var/log")
        os.makedirs(folder, exist_ok=True)
        handler = logging.FileHandler(os.path.join(folder, "setup-vif-rules.log"))
    elif os.path.exists("/dev/log"):
        handler = logging.handlers.SysLogHandler("/dev/log", logging.handlers.SysLogHandler.LOG_DAEMON)
    handler.setFormatter(logging.Formatter("setup-vif-rules: level=%(levelname)s %(message)s"))
    found.addHandler(handler)
    found.setLevel(logging.INFO)
    return found


def error(text: str, *values: "Any") -> None:
    start().error(text, *values)


def warning(text: str, *values: "Any") -> None:
    start().warning(text, *values)
