"""What the agent counts, in the text form that Prometheus reads (its exposition format, version 0.0.4)."""

from typing import Any, Dict, Iterable, List, Tuple

from ..flows.pipeline import KIND_DROP, MARK, read_cookie
from ..switch import ofctl

DROPS = "cookie={:#x}/{:#x}".format(MARK << 48 | KIND_DROP << 40, 0xFFFF << 48 | KIND_DROP << 40)
"""Every flow of ours that drops."""
Sample = Tuple[Dict[str, str], int]


def dropped(bridges: Iterable[str]) -> List[Sample]:
    """Packets dropped since the flows were put in, by bridge and reason. Raises Unreachable."""
    found: Dict[Tuple[str, str], int] = {}
    for bridge in bridges:
        for line in ofctl.dump(bridge, DROPS):
            known = read_cookie(ofctl.cookie_of(line))
            if known is not None and known.reason:
                key = (bridge, known.reason)
                found[key] = found.get(key, 0) + ofctl.packets_of(line)
    return [({"bridge": bridge, "reason": reason}, count) for (bridge, reason), count in sorted(found.items())]


def render(status: Dict[str, Any], drops: List[Sample]) -> str:
    """``status`` as the agent answers it."""
    tables: List[Tuple[str, str, str, List[Sample]]] = [
        ("in_sync", "gauge", "1 while events of XAPI come and are enforced", [({}, status["in_sync"])]),
        ("plugged_vifs", "gauge", "VIFs plugged on this host", [({}, status["plugged"])]),
        ("closed_vifs", "gauge", "VIFs of this host that carry nothing", [({}, len(status["closed"]))]),
        ("failed_bridges", "gauge", "bridges that could not be brought right", [({}, len(status["failed"]))]),
        ("unreadable_lines", "gauge", "lines of networks or the pool that cannot be read", [({}, len(status["problems"]))]),
        ("hosts_without_agent", "gauge", "hosts of the pool that show no sign of ringfence", [({}, len(status["hosts_without_agent"]))]),
        ("flows", "gauge", "flows of ringfence", [({"bridge": name}, count) for name, count in sorted(status["flows"].items())]),
        ("reconciles_total", "counter", "rounds in which the switch was brought to the policy", [({}, status["rounds"])]),
        (
            "tampered_total",
            "counter",
            "mirrors of a record in vm-data that somebody else wrote over",
            [({"vif": name}, count) for name, count in sorted(status["tampered"].items())],
        ),
        ("dropped_packets_total", "counter", "packets dropped, or on a watched network let pass all the same, by the reason", drops),
    ]
    lines = []
    for name, kind, text, samples in tables:
        lines += ["# HELP ringfence_{} {}".format(name, text), "# TYPE ringfence_{} {}".format(name, kind)]
        lines += ["ringfence_{}{} {:d}".format(name, _labels(labels), int(value)) for labels, value in samples]
    return "\n".join(lines) + "\n"


def _labels(labels: Dict[str, str]) -> str:
    if not labels:
        return ""
    return "{{{}}}".format(",".join('{}="{}"'.format(key, _escaped(value)) for key, value in labels.items()))


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
