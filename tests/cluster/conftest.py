"""Ray on this machine, started once for all tests that need it."""

import pytest


@pytest.fixture(scope="session")
def ray_here():
    """Return Ray, connected to a cluster of this machine's cores."""
    ray = pytest.importorskip("ray", reason="needs the extra 'cluster'")
    from ecgcore.engines.on_ray import connected

    with connected(None):
        yield ray
