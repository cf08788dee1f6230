"""A pool whose hosts run two versions at once, as while it is upgraded host by host."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import ringfence as package
from lab import BACKEND, guest, reaches, ringfence, running
from ringfence_lab.pool import Pool
from ringfence_lab.steps import Steps

NEXT = "99.0.0"
SCENARIO = {
    "hosts": ["h1", "h2"],
    "networks": {"backend": {"ringfence": BACKEND}},
    "guests": {"blue1": guest("h1", 11, "groups=blue"), "blue2": guest("h2", 12, "groups=blue"), "green1": guest("h1", 21, "groups=green")},
}


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    """h2 is upgraded under its running guest."""
    folder = tmp_path_factory.mktemp("next")
    shutil.copytree(Path(package.__file__).parent, folder / "ringfence", ignore=shutil.ignore_patterns("__pycache__"))
    init = folder / "ringfence" / "__init__.py"
    init.write_text(init.read_text().replace(package.__version__, NEXT))
    with running(SCENARIO) as made:
        host = made.hosts["h2"]
        host.stop_agent()
        host.wrap = ["env", f"PYTHONPATH={folder}"]
        host.start_agent()
        made.settle()
        yield made


def test_both_versions_enforce_one_policy(pool: Pool, steps: Steps) -> None:
    told = ringfence(pool.hosts["h1"], "status", "--all").stdout
    assert f"agent:     version {package.__version__}, in sync" in told
    assert f"agent:     version {NEXT}, in sync" in told
    steps.run({"reach": {"from": "blue1", "to": "blue2"}})
    steps.run({"no-reach": {"from": "green1", "to": "blue2"}})
    steps.run({"do": "set blue1/0 ipv4=10.0.0.11 groups=blue,green"})
    steps.run({"reach": {"from": "blue1", "to": "blue2"}})
    steps.run({"reach": {"from": "blue1", "to": "green1"}})
    steps.run({"do": "migrate blue1 h2"})
    assert reaches(pool, "blue1/0", "blue2/0")
    steps.run({"no-reach": {"from": "green1", "to": "blue2"}})


def test_the_doctor_names_the_host_that_is_behind(pool: Pool) -> None:
    found = ringfence(pool.hosts["h1"], "host", "doctor").stdout
    assert f"host h2 runs version {NEXT}" in found
