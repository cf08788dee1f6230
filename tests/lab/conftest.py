"""What the tests of one module ask of its ``pool``."""

import pytest

from ringfence_lab.host import Host
from ringfence_lab.pool import Pool
from ringfence_lab.steps import Steps


@pytest.fixture
def host(pool: Pool) -> Host:
    """The first host."""
    return pool.hosts["h1"]


@pytest.fixture
def steps(pool: Pool) -> Steps:
    return Steps(pool)
