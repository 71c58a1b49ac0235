"""What every test shares: the real data's place, and no surprises from threads or the network."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

os.environ.setdefault("OMP_NUM_THREADS", "1")

# No deadline: on a shared machine a slow example says nothing. `--hypothesis-profile` still chooses another.
settings.register_profile("medseg", deadline=None, max_examples=50)
settings.load_profile("medseg")


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Folder of the real data; skips where there is none. In CI a skip for this reason is a failure."""
    place = os.environ.get("MEDSEG_DATA_DIR")
    if not place:
        if os.environ.get("CI"):
            pytest.fail("MEDSEG_DATA_DIR is not set: in CI the real-data tests must run")
        pytest.skip("real data: set MEDSEG_DATA_DIR to its folder to run this test")
    return Path(place).resolve()
