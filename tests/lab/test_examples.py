"""Every scenario in examples/, run on real switches with real frames."""

from pathlib import Path

import pytest

from ringfence_lab.main import run_scenario
from ringfence_lab.scenario import load

FILES = sorted((Path(__file__).parents[2] / "examples").glob("*.yaml")) + sorted(Path(__file__).parent.glob("*.yaml"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_scenario(path: Path) -> None:
    passed, failed = run_scenario(load(str(path)))
    assert passed
    assert not failed, "see the lines marked FAILED above"
