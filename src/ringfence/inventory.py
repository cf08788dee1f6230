"""What dom0 says of itself: the host's uuid in XAPI, and the kind of its network."""

from . import paths


def installation_uuid() -> str:
    """This host's uuid in XAPI, from dom0's inventory."""
    try:
        with open(paths.INVENTORY, encoding="utf-8") as inventory:
            for line in inventory:
                key, _, value = line.strip().partition("=")
                if key == "INSTALLATION_UUID":
                    return value.strip("'\"")
    except OSError:
        pass
    return ""


def backend() -> str:
    """``openvswitch`` or ``bridge``."""
    try:
        with open(paths.NETWORK_CONF, encoding="utf-8") as conf:
            return conf.read().strip()
    except OSError:
        return "openvswitch"
