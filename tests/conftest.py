"""Options and fixtures of the whole suite."""

import os
import shutil
import tempfile

import hypothesis
import numpy as np
import pytest

hypothesis.settings.register_profile(
    "default", max_examples=30, deadline=None, derandomize=True, print_blob=True, database=None
)
hypothesis.settings.register_profile("long", max_examples=3000, deadline=None, print_blob=True)


# Compiled kernels go to a folder of this run's own, unless one is named.
CACHE = "DUALGRAD_CACHE_DIR"
OWN_CACHE = None if CACHE in os.environ else tempfile.mkdtemp(prefix="dualgrad-tests-")
os.environ.setdefault(CACHE, OWN_CACHE or "")


def pytest_unconfigure(config):
    if OWN_CACHE:
        shutil.rmtree(OWN_CACHE, ignore_errors=True)


def pytest_addoption(parser):
    parser.addoption("--long", action="store_true", help="fuzz for minutes: more examples, and the tests marked long")
    parser.addoption("--golden", action="store_true", help="write the generated sources in tests/golden anew")


def pytest_configure(config):
    hypothesis.settings.load_profile("long" if config.getoption("--long") else "default")


def pytest_collection_modifyitems(config, items):
    if config.getoption("--long"):
        return
    skip = pytest.mark.skip(reason="long fuzzing: run with --long")
    for item in items:
        if "long" in item.keywords:
            item.add_marker(skip)


@pytest.fixture
def rng(request):
    """A random generator seeded by the test's name, so that a failure repeats."""
    return np.random.default_rng(list(request.node.name.encode()))


@pytest.fixture(scope="session")
def root(pytestconfig):
    """The repository root."""
    return pytestconfig.rootpath


@pytest.fixture(scope="session")
def child_environment(root):
    """Environment for child processes: they import this working tree."""
    path = [str(root), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path)}
