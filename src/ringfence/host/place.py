"""Where one version of ringfence lies on a host, and which of them is in force."""

import json
import os
from typing import Any, Dict, List, Optional

from .. import __version__, paths
from .system import read_file, write_file

HOME = paths.under_root("/opt/ringfence")
CURRENT = HOME + "/current"
HOOK = "/opt/ringfence/current/bin/setup-vif-rules"
"""As xenopsd is told: the same path for every version."""
STATE = paths.under_root("/var/lib/ringfence")
WAS = STATE + "/before.json"
"""What was here before ringfence was put in force."""
LOG = paths.under_root("/var/log/ringfence.log")


CODE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
"""The package ringfence that runs; installed, it is HOME/VERSION/lib/ringfence."""


def here() -> str:
    """Name of the folder of this version below HOME: that of the code that runs, where it lies there."""
    folder = os.path.dirname(os.path.dirname(CODE))
    return os.path.basename(folder) if os.path.dirname(folder) == os.path.realpath(HOME) else __version__


def in_force() -> Optional[str]:
    """Name of the version's folder that is in force here; None where none is."""
    try:
        return os.readlink(CURRENT)
    except OSError:
        return None


def remember(was: Dict[str, Any]) -> None:
    write_file(WAS, json.dumps(was, indent=1, sort_keys=True), 0o600)


def remembered() -> Dict[str, Any]:
    """``hook``: the stock one, or "". Empty where nothing is remembered."""
    try:
        found = json.loads(read_file(WAS) or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def logs() -> List[str]:
    folder, name = os.path.split(LOG)
    return [os.path.join(folder, found) for found in sorted(os.listdir(folder)) if found.startswith(name)] if os.path.isdir(folder) else []
