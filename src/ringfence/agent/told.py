"""What a hook tells of a VIF, as the agent takes it and keeps it: its shape."""

import re

from ..mac import MAC
from ..shape import NONE, Items, Keys

INTERFACE = re.compile(r"(vif|tap)[0-9]{1,10}\.[0-9]{1,3}")
NAME = re.compile(r"[A-Za-z0-9._:-]{1,64}")
TEXT = (NONE, str)
PLUG = Keys(
    {
        "interface": INTERFACE,
        "vif": NAME,
        "vm": NAME,
        "device": re.compile(r"[0-9]{1,3}"),
        "mac": MAC,
        "network": NAME,
        "bridge": re.compile(r"[^\s\"',-][^\s\"',]{0,63}"),
        "line": TEXT,
        "xapi": Items(str, [str], [str]),
        "external_ids": {str: str},
    },
    {"migrated": bool, "vm_name": str, "fresh": bool, "ready": bool, "against": [TEXT]},
)
