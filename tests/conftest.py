"""Settings of every test: runs are stored in a temporary folder, model weights where they are on this machine.

HEED_MODELS is set before HEED_HOME is changed, since by default it is a folder inside HEED_HOME.
"""

import gc
import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings

from core.settings import models_path

ROOT = Path(__file__).resolve().parent.parent
LOCAL = "127.0.0.1,localhost"

settings.register_profile("heed", deadline=None, database=None, print_blob=True)  # slow machines may pass
settings.load_profile("heed")


def pytest_configure(config):
    os.environ["HEED_MODELS"] = str(models_path())
    config.heed_home = os.environ["HEED_HOME"] = tempfile.mkdtemp(prefix="heed-tests-")
    os.environ.setdefault("RAY_worker_niceness", "0")  # behind a browser's tests actors wait for minutes
    for name in ("NO_PROXY", "no_proxy"):
        if LOCAL not in os.environ.get(name, ""):
            os.environ[name] = ",".join(filter(None, [LOCAL, os.environ.get(name, "")]))


def pytest_collection_finish(session):
    """Thousands of tests and all imported libraries stay to the end: the collector need not look at them each time."""
    gc.freeze()


def pytest_unconfigure(config):
    shutil.rmtree(config.heed_home, ignore_errors=True)


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def default_model() -> str:
    """Name of the default model, which is on disk and converted (fetched now where ``make test`` did not)."""
    from core.models import DEFAULT_MODEL, fetch, model_status

    if model_status(DEFAULT_MODEL) != "ready":
        fetch(DEFAULT_MODEL)
    return DEFAULT_MODEL
