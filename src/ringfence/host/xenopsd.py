"""Which hook xenopsd runs: its settings, and the keys of VIFs that were plugged before they changed."""

import glob
from typing import Dict, Iterator, NamedTuple, Optional

from .. import paths, xenstore
from .system import forget_tree, read_file, write_file

CONF = paths.under_root("/etc/xenopsd.conf")
FRAGMENTS = paths.under_root("/etc/xenopsd.conf.d")
FRAGMENT = FRAGMENTS + "/ringfence.conf"
SETTING = "setup-vif-rules"
STOCK = ("/usr/libexec/xenopsd/setup-vif-rules", "/usr/lib/xcp/scripts/setup-vif-rules", "/opt/xensource/libexec/setup-vif-rules")
"""Where releases keep the stock hook; the settings say which, where they say anything."""
TEXT = """# xenopsd runs ringfence's hook in the stock one's place. `ringfence host uninstall` removes this file.
{} = {}
"""


class Vif(NamedTuple):
    """A VIF that runs here, as xenstore knows it."""

    vm: str
    device: str

    @property
    def key(self) -> str:
        return "/xapi/{}/private/vif/{}/{}".format(self.vm, self.device, SETTING)


def settings() -> Dict[str, str]:
    """The hook by the file that names it, in the order in which they are read."""
    found = {}
    for path in [CONF] + sorted(glob.glob(FRAGMENTS + "/*.conf")):
        for line in (read_file(path) or "").splitlines():
            key, equals, value = line.partition("=")
            if equals and key.strip() == SETTING:
                found[path] = value.strip()
    return found


def stock_hook() -> Optional[str]:
    """What runs without us; None where nothing says so and none of the usual places has it."""
    told = [hook for path, hook in settings().items() if path != FRAGMENT]
    if told:
        return told[-1]
    return next((path for path in STOCK if read_file(paths.under_root(path)) is not None), None)


def use(hook: str) -> None:
    write_file(FRAGMENT, TEXT.format(SETTING, hook))


def use_stock() -> None:
    forget_tree(FRAGMENT)


def running() -> Iterator[Vif]:
    """Every VIF that xenstore has private keys of. Raises Unreachable."""
    for vm in xenstore.listed("/xapi"):
        for device in xenstore.listed("/xapi/{}/private/vif".format(vm)):
            yield Vif(vm, device)
