"""Fixtures of several files."""

import pytest
from keyd_process import Keyd
from tunneld_world import World


@pytest.fixture
def world():
    world = World()
    yield world
    world.remove()


@pytest.fixture
def keyd():
    process = Keyd()
    process.start()
    yield process
    process.remove()
