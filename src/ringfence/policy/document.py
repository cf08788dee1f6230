"""The policy file: records of VIFs, lines of networks, groups as lists of VIFs, and what is expected of them.

::

    networks:
      backend: default=isolated inside=10.0.0.0/24 gateways=10.0.0.1
    vifs:
      web1/0: ipv4=10.0.0.5
      old1/0: null                  # its record is removed
    groups:
      blue: [web1/0, db1/0]         # these and no others
    expect:
      - web1 reaches db1 tcp/5432
      - green* reaches no blue*

YAML is read where Python has PyYAML; JSON, which is YAML too, everywhere.
"""

import json
from importlib import import_module
from typing import Any, Dict, NamedTuple, Optional, Tuple

from ..errors import BadInput
from ..records.record import parse_group
from ..shape import NONE, Keys, check
from .expect import Expectation, parse_expectation

LONGEST = 16 << 20
"""Bytes of a policy file."""
_SHAPE = Keys({}, {"vifs": {str: (NONE, str)}, "networks": {str: (NONE, str)}, "groups": {str: [str]}, "expect": [str]})


class Document(NamedTuple):
    """What a policy file says; what it does not name, it leaves alone."""

    vifs: Dict[str, Optional[str]] = {}
    """Record by VIF, as the file calls it; None removes it."""
    networks: Dict[str, Optional[str]] = {}
    groups: Dict[str, Tuple[str, ...]] = {}
    expect: Tuple[Expectation, ...] = ()


def parse_document(text: str, where: str) -> Document:
    """Raises BadInput, told at ``where``, which is the file's name."""
    if len(text) > LONGEST:
        raise BadInput("is longer than {} bytes".format(LONGEST), where, "split it")
    data = _load(text, where)
    if data is None:
        raise BadInput("is empty", where, "ringfence export prints one to begin with")
    try:
        check(data, _SHAPE, "the file")
        strange = sorted(set(data) - set(_SHAPE.may))
        if strange:
            raise ValueError("{} is not known".format(", ".join(strange)))
    except (TypeError, ValueError) as error:
        mend = "it holds vifs, networks, groups and expect: see docs/policy.md"
        raise BadInput("is no policy ({})".format(error), where, mend) from None
    try:
        groups = {parse_group(name): tuple(names) for name, names in data.get("groups", {}).items()}
        expected = tuple(parse_expectation(line) for line in data.get("expect", []))
    except BadInput as error:
        raise error.at(where) from None
    return Document(data.get("vifs", {}), data.get("networks", {}), groups, expected)


def _load(text: str, where: str) -> Any:
    if text.lstrip().startswith("{"):
        try:
            return json.loads(text, object_pairs_hook=_once)
        except (ValueError, RecursionError) as error:
            raise BadInput("is no JSON ({})".format(error), where, "mend that place") from None
    try:
        yaml: Any = import_module("yaml")
    except ImportError:
        mend = "write it as JSON (ringfence -o json export), or apply it from a workstation that has PyYAML"
        raise BadInput("is YAML, which needs PyYAML, and this Python has none", where, mend) from None
    try:
        return _yaml(yaml, text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise BadInput("is no YAML ({})".format(" ".join(str(error).split())), where, "mend that place") from None


def _once(pairs: Any) -> Dict[str, Any]:
    """A name that is there twice would take the place of the first without a word."""
    found: Dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError("{!r} is there twice".format(key))
        found[key] = value
    return found


def _yaml(yaml: Any, text: str) -> Any:
    class Loader(yaml.SafeLoader):
        """Plain values as they are written: 1.10 is a name, and no number; a key is there once."""

    def mapping(loader: Any, node: Any) -> Dict[Any, Any]:
        return _once([(loader.construct_object(key, deep=True), loader.construct_object(value, deep=True)) for key, value in node.value])

    Loader.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in kinds if tag == "tag:yaml.org,2002:null"]
        for first, kinds in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    Loader.add_constructor("tag:yaml.org,2002:map", mapping)
    return yaml.load(text, Loader)


def print_yaml(document: Document) -> str:
    """A document as YAML; every name and line quoted as JSON quotes, which YAML reads alike."""
    out = []
    for title, rows in (("networks", document.networks), ("vifs", document.vifs)):
        if rows:
            out += ["{}:".format(title)]
            out += ["  {}: {}".format(_word(name), _word(line)) for name, line in sorted(rows.items())]
    if document.groups:
        out += ["groups:"]
        for name, members in sorted(document.groups.items()):
            out += ["  {}:".format(_word(name))] + ["    - {}".format(_word(member)) for member in members]
    if document.expect:
        out += ["expect:"] + ["  - {}".format(_word(str(expectation))) for expectation in document.expect]
    return "\n".join(out) + "\n"


def print_json(document: Document) -> str:
    data: Dict[str, Any] = {"networks": document.networks, "vifs": document.vifs, "groups": document.groups}
    data["expect"] = [str(expectation) for expectation in document.expect]
    return json.dumps({key: value for key, value in data.items() if value}, indent=2, sort_keys=True) + "\n"


def _word(text: Optional[str]) -> str:
    return "null" if text is None else json.dumps(text, ensure_ascii=False)
