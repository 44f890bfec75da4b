"""The public names: each can be imported, none costs anything before it is used."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from types import ModuleType

import pytest

PACKAGES = ("hwcost", "hwcost.models", "hwcost.quant", "hwcost.report", "hwcost.search")
HEAVY = ("torch", "optuna", "numpy", "pandas", "matplotlib", "scipy", "sklearn")

COMMANDS = ("--help", "--version", "devices", "devices --json", "doctor", "completion bash")


@pytest.mark.parametrize("name", PACKAGES)
def test_every_public_name_is_there(name: str) -> None:
    package = import_module(name)
    assert len(package.__all__) >= 5 and dir(package) == sorted(package.__all__)
    for public in package.__all__:
        assert not isinstance(getattr(package, public), ModuleType), public
    with pytest.raises(AttributeError):
        _ = package.no_such_name


@pytest.mark.slow
def test_a_function_is_not_hidden_by_the_module_of_its_name() -> None:
    asked = "import hwcost.quant.convert, hwcost.quant; print(type(hwcost.quant.convert).__name__)"
    assert subprocess.check_output([sys.executable, "-c", asked], text=True) == "function\n"


@pytest.mark.parametrize("name", PACKAGES)
def test_importing_a_package_imports_nothing_heavy(name: str) -> None:
    asked = f"import sys, {name}; print({{*{HEAVY}}} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", asked], text=True) == "set()\n"


@pytest.mark.parametrize("words", COMMANDS)
def test_a_light_command_imports_nothing_heavy(words: str) -> None:
    asked = (
        "import atexit, sys; from hwcost.cli import main; "
        f"atexit.register(lambda: print({{*{HEAVY}}} & set(sys.modules), file=sys.stderr)); main()"
    )
    ended = subprocess.run([sys.executable, "-c", asked, *words.split()], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "set()\n") and ended.stdout


def test_everything_can_be_imported_without_an_extra() -> None:
    asked = """
import sys
sys.modules["onnx"] = None  # what an import finds where the extra is not installed
from hwcost import *
try:
    from_qonnx("net.onnx")
except HwcostError as error:
    print(error)
"""
    told = subprocess.check_output([sys.executable, "-c", asked], text=True)
    assert told == "from_qonnx: onnx is not installed; pip install 'hwcost[onnx]'\n"
