"""Ray on this machine, started once for all tests that need it."""

import pytest


@pytest.fixture(scope="session")
def ray_here():
    """Return Ray, connected to a cluster of this machine's cores."""
    ray = pytest.importorskip("ray", reason="needs the extra 'cluster'")
    from ecgcore.executors.ray_cluster import connected

    with connected(None):
        yield ray


@pytest.fixture(scope="session")
def examples(request):
    """Return the folder of the example ECGs."""
    return request.config.rootpath / "examples" / "ptb-xl"


@pytest.fixture
def workspace(examples_home, tmp_path):
    """Return an empty home with the key of ``examples_home``: equal patients, equal hashes."""
    from ecgcore.workspace import Workspace

    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "patient.key").write_bytes(examples_home.patient_key())
    return Workspace(tmp_path / "home")
