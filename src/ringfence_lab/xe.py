"""``xe`` in a host of the lab: ``-list``, ``-param-get``, ``-param-set`` and ``-param-remove`` of VIFs, VMs, networks, pool and hosts.

It prints as XAPI's own does, as far as that goes: no other command, and no field but plain ones and maps.
"""

import sys
from typing import Any

from ringfence.errors import BadInput, RingfenceError, XapiFailure
from ringfence.xapi.session import Session

CLASSES = {"vif": "VIF", "vm": "VM", "network": "network", "pool": "pool", "host": "host"}
SHOWN = {
    "vif": ("uuid", "vm-uuid", "device", "network-uuid"),
    "vm": ("uuid", "name-label", "power-state"),
    "network": ("uuid", "name-label", "name-description", "bridge"),
    "pool": ("uuid", "name-label", "master"),
    "host": ("uuid", "name-label"),
}
MAPS = ("other-config", "xenstore-data")
USAGE = "write CLASS-list or CLASS-param-get, -set, -remove, with CLASS one of {}".format(", ".join(CLASSES))


class Objects:
    """The rows of one class, with the fields that ``xe`` makes up of other classes'."""

    def __init__(self, session: Session, kind: str) -> None:
        self.session = session
        self.name = CLASSES[kind]
        self.rows: dict[str, dict[str, Any]] = session.call(f"{self.name}.get_all_records")
        self._linked: dict[str, dict[str, Any]] = {}
        if kind == "vif":
            for other in ("VM", "network"):
                self._linked[other.lower()] = session.call(f"{other}.get_all_records")

    def value(self, ref: str, param: str) -> Any:
        """Raises BadInput."""
        row = self.rows[ref]
        owner, _, rest = param.partition("-")
        if owner in self._linked and rest in ("uuid", "name-label"):
            linked = row["VM" if owner == "vm" else owner]
            return self._linked[owner].get(linked, {}).get(rest.replace("-", "_"), "<not in database>")
        field = param if param in row else param.replace("-", "_")
        if field not in row:
            raise BadInput(f"{param} is no parameter of {self.name}")
        value = row[field]
        return value.lower() if param == "power-state" else value

    def by_uuid(self, words: dict[str, str]) -> str:
        """Reference. Raises BadInput."""
        for ref, row in self.rows.items():
            if row["uuid"] == words.get("uuid"):
                return ref
        raise BadInput(f"the uuid you supplied was invalid: {words.get('uuid', '(none)')}")


def run(argv: list[str]) -> int:
    command, words = (argv or [""])[0], [word for word in argv[1:] if not word.startswith("--")]
    kind, _, verb = command.partition("-")
    if kind not in CLASSES or verb not in ("list", "param-get", "param-set", "param-remove"):
        raise BadInput(f"{command!r} is not known in the lab", mend=USAGE)
    given = dict(word.partition("=")[::2] for word in words)
    objects = Objects(Session(), kind)
    if verb == "list":
        _list(objects, kind, given, "--minimal" in argv)
        return 0
    ref = objects.by_uuid(given)
    name, key = given.pop("param-name", ""), given.pop("param-key", "")
    if verb == "param-get":
        value = objects.value(ref, name)
        print(value[key] if key else _show(value))
    elif verb == "param-remove":
        objects.session.call(f"{objects.name}.remove_from_{name.replace('-', '_')}", ref, key)
    else:
        for param, value in given.items():
            if param != "uuid":
                _set(objects, ref, param, value)
    return 0


def _set(objects: Objects, ref: str, param: str, value: str) -> None:
    """A key of a map is a removal and then an addition, as with XAPI's own."""
    field, _, key = param.partition(":")
    name = field.replace("-", "_")
    if field in MAPS and key:
        objects.session.call(f"{objects.name}.remove_from_{name}", ref, key)
        objects.session.call(f"{objects.name}.add_to_{name}", ref, key, value)
    elif name in objects.rows[ref] and isinstance(objects.rows[ref][name], str):
        objects.session.call(f"{objects.name}.set_{name}", ref, value)
    elif name in objects.rows[ref] and isinstance(objects.rows[ref][name], list):
        objects.session.call(f"{objects.name}.set_{name}", ref, [part for part in value.split(",") if part])
    else:
        raise BadInput(f"{param} cannot be set in the lab", mend=f"a map is set by key: {MAPS[0]}:KEY=VALUE")


def _list(objects: Objects, kind: str, given: dict[str, str], minimal: bool) -> None:
    params = tuple(given.pop("params", "").split(",")) if given.get("params") else SHOWN[kind]
    found = [ref for ref in objects.rows if all(str(objects.value(ref, param)) == value for param, value in given.items())]
    if minimal:
        print(",".join(str(objects.value(ref, params[0])) for ref in found))
        return
    width = max(len(param) for param in params) + 5
    for ref in found:
        for number, param in enumerate(params):
            label = f"{param} ( RO)"
            print(
                f"{label:{width + 5}}: {_show(objects.value(ref, param))}"
                if not number
                else f"{label:>{width + 5}}: {_show(objects.value(ref, param))}"
            )
        print("\n")


def _show(value: Any) -> str:
    if isinstance(value, dict):
        return "; ".join(f"{key}: {inner}" for key, inner in sorted(value.items()))
    return "; ".join(str(inner) for inner in value) if isinstance(value, list) else str(value)


def main() -> int:
    try:
        return run(sys.argv[1:])
    except XapiFailure as failure:
        print(f"Error code: {failure.code}\nError parameters: {', '.join(failure.details)}", file=sys.stderr)
        return 1
    except RingfenceError as error:
        print(f"xe: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
