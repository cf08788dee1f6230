"""What is printed for Prometheus, read by its own parser."""

from prometheus_client.parser import text_string_to_metric_families

from ringfence.agent.metrics import render

STATUS = {
    "in_sync": True,
    "plugged": 3,
    "closed": {"a/0": "why"},
    "failed": {},
    "problems": [],
    "hosts_without_agent": ["h2"],
    "flows": {"xenbr0": 1234567},
    "rounds": 7,
    "tampered": {'we"b\\1\n/0': 4},
}


def test_prometheus_reads_what_is_printed() -> None:
    text = render(STATUS, [({"bridge": "xenbr0", "reason": "mac"}, 12345678)])
    found = {
        (sample.name, tuple(sorted(sample.labels.items()))): (family.type, sample.value)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert found[("ringfence_in_sync", ())] == ("gauge", 1.0)
    assert found[("ringfence_closed_vifs", ())] == ("gauge", 1.0)
    assert found[("ringfence_hosts_without_agent", ())] == ("gauge", 1.0)
    assert found[("ringfence_flows", (("bridge", "xenbr0"),))] == ("gauge", 1234567.0)
    assert found[("ringfence_tampered_total", (("vif", 'we"b\\1\n/0'),))] == ("counter", 4.0)
    assert found[("ringfence_dropped_packets_total", (("bridge", "xenbr0"), ("reason", "mac")))] == ("counter", 12345678.0)
