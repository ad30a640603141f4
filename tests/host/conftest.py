"""Fixtures of several files."""

import pytest
from tunneld_world import World


@pytest.fixture
def world():
    world = World()
    yield world
    world.remove()
