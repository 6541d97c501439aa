"""Names that are imported when asked for: never the module of the same name, in whatever order they are asked."""

import subprocess
import sys
from importlib import import_module

import pytest

import core


@pytest.mark.parametrize(
    "first", ["from core.capture import capture", "import core.capture.running", "from core import explain"]
)
def test_run_is_a_function_whatever_was_imported_before(first):
    code = f"{first}\nfrom core import run, load_model\nfrom core.capture import run as again\nassert callable(run) and run is again"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_name_is_what_its_module_calls_so():
    from core import capture, models, probe, quality, statistics, store, study

    for package in (core, capture, models, probe, quality, statistics, store, study):
        for name, module in package._WHERE.items():
            assert module != f"{package.__name__}.{name}"
            assert name in package.__all__
            assert getattr(package, name) is getattr(import_module(module), name)


def test_unknown_names_list_the_known_ones():
    with pytest.raises(AttributeError, match="load_model"):
        _ = core.loadmodel
