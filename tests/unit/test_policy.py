"""The policy file: what it takes, what it would change, whom it brings together and takes apart, what it expects."""

import json
import random
import re
from pathlib import Path

import pytest

from pools import generated, mac, picture, vif
from ringfence.errors import BadInput
from ringfence.picture import Facts, NetworkFacts, Picture, VifFacts
from ringfence.policy import document as documents
from ringfence.policy.document import Document, parse_document, print_json, print_yaml
from ringfence.policy.expect import broken, parse_expectation
from ringfence.policy.plan import Plan, count_pairs, export, make_plan

LINE = "default=isolated inside=10.0.0.0/24 gateways=10.0.0.1"
EXAMPLES = sorted((Path(__file__).parents[2] / "examples" / "policies").glob("*.yaml"))


def pool(*vifs: VifFacts, line: str | None = LINE) -> Picture:
    return picture(line, *vifs)


def blue(number: int, words: str = "groups=blue", name: str = "") -> VifFacts:
    return vif(name or f"blue{number}", number, f"ipv4=10.0.0.{number} {words}")


def plan(known: Picture, text: str, *, prune: bool = False) -> Plan:
    by_name = {v.name: v for v in known.facts.vifs.values()}

    def find_vif(name: str) -> VifFacts:
        if name not in by_name:
            raise BadInput(f"no VIF is called {name}")
        return by_name[name]

    def find_network(name: str) -> NetworkFacts:
        return {n.name: n for n in known.facts.networks.values()}[name]

    return make_plan(known, parse_document(text, "policy.yaml"), find_vif, find_network, prune)


def lines(found: Plan) -> dict[str, str | None]:
    return {change.name: change.after for change in found.changes}


def test_only_what_is_named_is_touched() -> None:
    known = pool(blue(11), blue(12), vif("plain", 13, None))
    assert lines(plan(known, "vifs: {blue11/0: ipv4=10.0.0.11 groups=green}")) == {"blue11/0": f"ipv4=10.0.0.11 groups=green mac={mac(11)}"}
    assert lines(plan(known, "vifs: {plain/0: ipv4=10.0.0.13}")) == {"plain/0": f"ipv4=10.0.0.13 mac={mac(13)}"}
    assert lines(plan(known, "vifs: {blue12/0: null}")) == {"blue12/0": None}
    assert lines(plan(known, "networks: {backend: external=deny}")) == {"network backend": "external=deny"}
    assert lines(plan(known, "vifs: {blue11/0: groups=blue ipv4=10.0.0.11}")) == {}, "the same record in other words"


def test_a_group_is_its_list_and_no_others() -> None:
    known = pool(blue(11), blue(12), blue(13, ""), vif("plain", 14, None))
    found = lines(plan(known, "groups: {blue: [blue11/0, blue13/0, plain/0]}"))
    assert found == {
        "blue12/0": f"ipv4=10.0.0.12 mac={mac(12)}",
        "blue13/0": f"ipv4=10.0.0.13 groups=blue mac={mac(13)}",
        "plain/0": f"groups=blue mac={mac(14)}",
    }
    assert lines(plan(known, "groups: {blue: []}")).keys() == {"blue11/0", "blue12/0"}
    with pytest.raises(BadInput, match="vifs: blue12/0: its record is in group blue, whose list lacks it"):
        plan(known, "vifs: {blue12/0: groups=blue}\ngroups: {blue: [blue11/0]}")


def test_pruning_takes_away_what_is_not_named() -> None:
    known = pool(blue(11), blue(12), vif("plain", 13, None))
    assert lines(plan(known, "vifs: {blue11/0: ipv4=10.0.0.11 groups=blue}", prune=True)) == {"blue12/0": None, "network backend": None}


def test_a_record_that_cannot_be_read_is_left_alone_and_comes_back_whole() -> None:
    bad = vif("bad", 12, "ipv4=10.0.0.5/24")
    known = pool(blue(11), bad)
    assert lines(plan(known, "groups: {blue: [blue11/0]}")) == {}
    assert lines(plan(known, print_yaml(export(known, lambda v: v.name)))) == {}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "is empty"),
        ("[]", "is no policy (the file: 'list' is not a mapping)"),
        ("vif: {}", "is no policy (vif is not known)"),
        ("vifs: {blue11/0: 7}", "vifs: blue11/0: '7' has no ="),
        ("vifs: {blue11/0: {mode: isolated}}", "is not text"),
        ("vifs: [blue11/0]", "is not a mapping"),
        ("groups: {blue: blue11/0}", "is not a list"),
        ("groups: {Blue!: []}", "Blue!"),
        ("vifs:\n  blue11/0: mode=isolated\n  blue11/0: mode=locked", "'blue11/0' is there twice"),
        ('{"vifs": {"a/0": "", "a/0": ""}}', "'a/0' is there twice"),
        ('{"vifs": ', "is no JSON"),
        ("vifs: {blue11/0: [", "is no YAML"),
        ("vifs: !!python/object:os.system {}", "is no YAML"),
        ("vifs: {blue11/0: ipv4=10.0.0.5/24}", "vifs: blue11/0: ipv4=10.0.0.5/24 has host bits set"),
        ("vifs: {blue11/0: mod=isolated}", "mod"),
        ("vifs: {nobody/0: mode=locked}", "vifs: nobody/0: no VIF is called nobody/0"),
        ("groups: {blue: [nobody/0]}", "groups: blue: no VIF is called nobody/0"),
        ("vifs: {'blue11/0': 'mac=00:16:3e:00:00:99'}", "it is bound to 00:16:3e:00:00:99"),
        ("networks: {backend: default=open}", "networks: backend: "),
        ("expect: [blue11 blue12]", "cannot be expected"),
        ("expect: [blue11 reaches]", "cannot be expected"),
        ("expect: [blue11 reaches blue12 tcp/x]", "is no kind of exchange"),
        ("expect: [blue11 reaches no blue12 tcp/443 now]", "cannot be expected"),
        ("a" * (documents.LONGEST + 1), "is longer than"),
    ],
)
def test_wrong_files_get_one_line(text: str, told: str) -> None:
    with pytest.raises(BadInput) as found:
        plan(pool(blue(11)), text)
    message = str(found.value)
    assert "\n" not in message
    assert told in message


def test_python_without_yaml_reads_json(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(documents, "import_module", missing)
    text = print_json(Document({"blue11/0": "mode=locked"}))
    assert parse_document(text, "policy.json").vifs == {"blue11/0": "mode=locked"}
    with pytest.raises(BadInput, match="needs PyYAML, and this Python has none: write it as JSON"):
        parse_document("vifs: {}", "policy.yaml")


def test_names_are_names_whatever_they_look_like() -> None:
    text = "vifs: {1.10/0: mode=locked, yes/0: mode=locked, 0x10/1: ~}\ngroups: {no: [on/0], 1: [12]}"
    found = parse_document(text, "policy.yaml")
    assert found.vifs == {"1.10/0": "mode=locked", "yes/0": "mode=locked", "0x10/1": None}
    assert found.groups == {"no": ("on/0",), "1": ("12",)}


@pytest.mark.parametrize("printed", [print_yaml, print_json])
def test_what_is_exported_changes_nothing_when_it_is_applied(printed) -> None:
    chance = random.Random(7)
    for _ in range(60):
        known = generated(chance)
        text = printed(export(known, lambda v: v.name))
        if text.strip() not in ("", "{}"):
            assert lines(plan(known, text, prune=True)) == {}


def test_pairs_are_counted_as_one_by_one() -> None:
    chance = random.Random(11)
    for _ in range(40):
        known = generated(chance)
        names = sorted(known.facts.vifs)
        changed = dict(known.facts.vifs)
        for name in chance.sample(names, min(2, len(names))):
            changed[name] = changed[name]._replace(line=chance.choice(["groups=blue", "groups=blue,green", "mode=unlocked", None, "bad="]))
        after = Picture(Facts(changed, known.facts.networks, known.facts.hosts), known)
        gained = lost = 0
        for place, one in enumerate(names):
            for other in names[place + 1 :]:
                was, now = (all(view.exchange(one, other)) for view in (known, after))
                gained, lost = gained + (now and not was), lost + (was and not now)
        assert count_pairs(known, after)[:2] == (gained, lost)


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("blue11 reaches blue12", ""),
        ("blue11/0 reaches blue12/0 tcp/5432", ""),
        ("blue* reaches no green*", ""),
        ("10.0.0.11 reaches 10.0.0.12", ""),
        ("green21 reaches outside udp/53", ""),
        ("green21 reaches 10.0.0.1", ""),
        ("blue11 reaches green21", "blue11/0 does not reach green21/0: no shared group, no peer entry and not external"),
        ("blue* reaches no blue12", "blue11/0 reaches blue12/0: both are in group blue"),
        ("green21 reaches 10.0.0.99", "green21/0 does not reach 10.0.0.99"),
        ("red* reaches no blue*", "nothing is called red*"),
        ("blue11 reaches bleu12", "nothing is called bleu12"),
        ("outside reaches no blue*", "192.0.2.1 reaches blue11/0: it is external"),
    ],
)
def test_expectations(line: str, wrong: str) -> None:
    known = pool(blue(11), blue(12), blue(21, "groups=green", "green21"))
    found = broken(known, parse_expectation(line))
    assert str(parse_expectation(line)) == line
    assert (wrong in found[0]) if wrong else not found, found


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_the_examples_hold(path: Path) -> None:
    """Each over a pool of bare VIFs with the names that it uses."""
    names = sorted(set(re.findall(r"^  ([\w-]+)/0:", path.read_text(), re.M)))
    known = pool(*(vif(name, number, None) for number, name in enumerate(names, 1)), line=None)
    found = plan(known, path.read_text())
    assert found.changes
    assert found.broken == []
    assert json.loads(print_json(parse_document(path.read_text(), path.name)))
