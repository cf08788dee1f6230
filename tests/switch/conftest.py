"""The private switch that these tests ask."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ringfence_lab.dummy import DummySwitch


@pytest.fixture(scope="session")
def switch() -> Iterator[DummySwitch]:
    with tempfile.TemporaryDirectory(prefix="rf-", dir="/tmp") as folder:
        made = DummySwitch(Path(folder))
        try:
            made.start()
            yield made
        finally:
            made.stop()
