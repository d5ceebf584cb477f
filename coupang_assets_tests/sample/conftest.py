"""The default world, made once, and the real data where it is there."""

import os
from pathlib import Path

import pytest

from coupang_assets.sample.generate import generate_world
from coupang_assets.sample.world import World


@pytest.fixture(scope="session")
def world() -> World:
    return generate_world()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    default = Path(__file__).resolve().parents[3] / "shared"
    folder = Path(os.environ.get("COUPANG_SHARED", default)) / "data"
    if not folder.is_dir():
        pytest.skip("the shared real data is not on this machine")
    return folder
