"""The hook runs once for each VIF that comes or goes: what it loads, every start of a VM waits for."""

import json
import subprocess
import sys
from pathlib import Path

import ringfence

HEAVY = (
    "typing",
    "logging",
    "subprocess",
    "ipaddress",
    "socketserver",
    "argparse",
    "ssl",
    "xmlrpc",
    "ovs",
    "ringfence.records",
    "ringfence.picture",
    "ringfence.flows",
)
"""What a run that finds the agent has no use for; the hook alone loads it."""


def test_the_hook_loads_no_more_than_it_needs() -> None:
    where = str(Path(ringfence.__file__).parent.parent)
    words = f"import json, sys; sys.path.insert(0, {where!r}); import ringfence.hook.main; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-IS", "-c", words], capture_output=True, text=True, check=True)
    loaded = json.loads(done.stdout)
    assert "ringfence.agent.client" in loaded
    assert not [name for name in loaded if name in HEAVY or name.startswith(tuple(f"{heavy}." for heavy in HEAVY))]
    ours = [name for name in loaded if name.startswith("ringfence")]
    assert len(ours) <= 20, ours
