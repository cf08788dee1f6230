"""ringfence export: the pool's policy as a file, to be kept, reviewed, changed and applied."""

import sys
from collections import Counter
from typing import Any

from ..picture import VifFacts
from ..policy.document import print_json, print_yaml
from ..policy.plan import export
from .pool import Pool

HELP = "print the pool's policy as a file"


def define(_: Any) -> None:
    """No arguments of its own."""


def run(options: Any) -> int:
    pool = Pool(options)
    names = Counter(vif.name for vif in pool.facts.vifs.values())

    def name_of(vif: VifFacts) -> str:
        """The VM's uuid where several VIFs bear one name."""
        return vif.name if names[vif.name] == 1 else "{}/{}".format(vif.vm, vif.device)

    document = export(pool.picture, name_of)
    sys.stdout.write(print_json(document) if options.output == "json" else print_yaml(document))
    return 0
