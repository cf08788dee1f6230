"""XAPI's database, simulated: objects of the published classes, references, and a log of what changed."""

import json
import threading
import uuid
from pathlib import Path
from typing import Any

NULL = "OpaqueRef:NULL"
CLASSES: dict[str, dict[str, list[str]]] = json.loads((Path(__file__).parent / "data" / "classes.json").read_text())
"""Type and qualifier by field by class, as the XenAPI reference publishes them."""
NAMES = {name.lower(): name for name in CLASSES}


class Failure(Exception):
    """An error with XAPI's own name and arguments."""

    def __init__(self, *description: str) -> None:
        super().__init__(*description)
        self.description = list(description)


def default(kind: str) -> Any:
    if kind.endswith(" map"):
        return {}
    if kind.endswith(" set"):
        return []
    if kind.endswith(" ref"):
        return NULL
    return {"bool": False, "int": 0, "float": 0.0, "datetime": "19700101T00:00:00Z"}.get(kind, "")


class Database:
    """Thread-safe. Every write is one event; ``generation`` counts them."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[str, dict[str, Any]]] = {name: {} for name in CLASSES}
        self.generation = 1
        self.boot = uuid.uuid4().hex[:8]
        self.changed = threading.Condition(threading.RLock())
        self._touched: dict[tuple[str, str], tuple[int, int]] = {}
        """By class and reference, in the order of the last writes: the generations of the first and the last write."""
        self._removed: list[tuple[int, str, str]] = []

    def create(self, kind: str, **fields: Any) -> str:
        """A new object; fields not given take the default of their type. The reference."""
        ref = f"OpaqueRef:{uuid.uuid4()}"
        row = {name: default(spec[0]) for name, spec in CLASSES[kind].items()}
        row["uuid"] = str(uuid.uuid4())
        unknown = set(fields) - set(row)
        if unknown:
            raise KeyError(f"{kind} has no field {', '.join(sorted(unknown))}")
        row.update(fields)
        with self.changed:
            self.rows[kind][ref] = row
            self._mark(kind, ref, created=True)
        return ref

    def destroy(self, kind: str, ref: str) -> None:
        with self.changed:
            self.get(kind, ref)
            del self.rows[kind][ref]
            self.generation += 1
            self._touched.pop((kind, ref), None)
            self._removed.append((self.generation, kind, ref))
            self.changed.notify_all()

    def get(self, kind: str, ref: str) -> dict[str, Any]:
        try:
            return self.rows[kind][ref]
        except KeyError:
            raise Failure("HANDLE_INVALID", kind, ref) from None

    def update(self, kind: str, ref: str, **fields: Any) -> None:
        with self.changed:
            row = self.get(kind, ref)
            if all(row[name] == value for name, value in fields.items()):
                return
            self.rows[kind][ref] = {**row, **fields}
            self._mark(kind, ref)

    def touch(self, kind: str, ref: str) -> str:
        """``event.inject``: an event about an object that did not change; the token after it."""
        with self.changed:
            self.get(kind, ref)
            self._mark(kind, ref)
            return f"{self.boot},{self.generation}"

    def by_uuid(self, kind: str, wanted: str) -> str:
        for ref, row in self.rows[kind].items():
            if row["uuid"] == wanted:
                return ref
        raise Failure("UUID_INVALID", kind, wanted)

    def _mark(self, kind: str, ref: str, *, created: bool = False) -> None:
        self.generation += 1
        born = self.generation if created else self._touched.pop((kind, ref))[0]  # the last one touched is the last one
        self._touched[(kind, ref)] = (born, self.generation)
        self.changed.notify_all()

    def events(self, classes: list[str], token: str, timeout: float) -> dict[str, Any]:
        """``event.from``: everything after ``token``, waiting for something to come."""
        kinds = set(NAMES.values()) if "*" in classes else {NAMES[c.lower()] for c in classes if c.lower() in NAMES}
        since = 0
        if token:
            boot, _, number = token.partition(",")
            if boot != self.boot or not number.isdigit():
                raise Failure("EVENT_FROM_TOKEN_PARSE_FAILURE", token)
            since = int(number)
        with self.changed:
            self.changed.wait_for(lambda: self._after(kinds, since), timeout)
            found = self._after(kinds, since)
            counts = {kind.lower(): len(self.rows[kind]) for kind in sorted(kinds)}
            return {"events": found, "token": f"{self.boot},{self.generation}", "valid_ref_counts": counts}

    def _after(self, kinds: set[str], since: int) -> list[dict[str, Any]]:
        events: list[tuple[int, dict[str, Any]]] = []
        for generation, kind, ref in reversed(self._removed):
            if generation <= since or not since:
                break
            if kind in kinds:
                events.append((generation, {"class": kind.lower(), "operation": "del", "ref": ref}))
        for (kind, ref), (born, touched) in reversed(self._touched.items()):
            if touched <= since:
                break
            if kind in kinds:
                operation = "add" if born > since else "mod"
                events.append((touched, {"class": kind.lower(), "operation": operation, "ref": ref, "snapshot": self.rows[kind][ref]}))
        return [{"id": str(number), "timestamp": "0.0", **event} for number, event in sorted(events, key=lambda item: item[0])]
