"""What was applied and not confirmed goes back; what somebody else has changed since does not."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from ringfence.errors import Unreachable
from ringfence.files import write_json
from ringfence.xapi.rollback import Rollback, keep
from ringfence_lab.database import Database
from ringfence_lab.xapi import Xapi


class Direct:
    """A session that calls the simulated XAPI without a wire; away while ``away`` is set."""

    def __init__(self, database: Database) -> None:
        self._xapi = Xapi(database)
        self._xapi.sessions.add("ref")
        self.away = False

    def call(self, method: str, *params: Any) -> Any:
        if self.away:
            raise Unreachable("XAPI does not answer")
        return self._xapi.call(method, ["ref", *params])


@pytest.fixture
def database() -> Database:
    found = Database()
    for name in ("one", "two", "three"):
        found.create("VIF", uuid=name, other_config={"ringfence": f"new {name}", "other": "kept"})
    return found


def line(database: Database, uuid: str) -> str | None:
    return database.get("VIF", database.by_uuid("VIF", uuid))["other_config"].get("ringfence")


def kept(path: Path, seconds: float) -> Path:
    lines = [("VIF", "one", None, "new one"), ("VIF", "two", "old two", "new two"), ("VIF", "three", "old three", "never written")]
    write_json(str(path), keep(lines, seconds))  # type: ignore[arg-type]
    return path


def test_it_goes_back_when_the_time_is_over_and_not_before(database: Database, tmp_path: Path) -> None:
    path = kept(tmp_path / "rollback.json", 0.2)
    rollback, session = Rollback(str(path)), Direct(database)
    rollback.look(session)  # type: ignore[arg-type]
    assert (line(database, "one"), line(database, "two")) == ("new one", "new two")
    time.sleep(0.25)
    rollback.look(session)  # type: ignore[arg-type]
    assert (line(database, "one"), line(database, "two"), line(database, "three")) == (None, "old two", "new three")
    assert database.get("VIF", database.by_uuid("VIF", "one"))["other_config"] == {"other": "kept"}
    assert not path.exists()
    assert rollback.confirm() is None


def test_what_is_confirmed_stays(database: Database, tmp_path: Path) -> None:
    path = kept(tmp_path / "rollback.json", 0.0)
    rollback = Rollback(str(path))
    assert rollback.confirm() == 3
    rollback.look(Direct(database))  # type: ignore[arg-type]
    assert line(database, "two") == "new two"
    assert not path.exists()


def test_an_agent_that_starts_anew_and_a_xapi_that_is_away(database: Database, tmp_path: Path) -> None:
    path = kept(tmp_path / "rollback.json", 0.0)
    session = Direct(database)
    session.away = True
    Rollback(str(path)).look(session)  # type: ignore[arg-type]
    assert path.exists()
    session.away = False
    Rollback(str(path)).look(session)  # type: ignore[arg-type]
    assert line(database, "two") == "old two"


def test_a_clock_that_was_set_back_holds_up_nothing(tmp_path: Path) -> None:
    path = kept(tmp_path / "rollback.json", 10.0)
    data = json.loads(path.read_text())
    path.write_text(json.dumps({**data, "until": data["until"] + 86400.0}))
    pending = Rollback(str(path)).pending
    assert pending is not None
    assert pending.until <= time.monotonic() + 10.0


@pytest.mark.parametrize("text", ["", "{", "[]", '{"seconds": "x", "until": 0, "lines": []}', '{"seconds": 1, "until": 0, "lines": [[1]]}'])
def test_a_file_that_cannot_be_read_is_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "rollback.json"
    path.write_text(text)
    assert Rollback(str(path)).pending is None
