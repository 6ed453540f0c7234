"""With no extra installed each package imports, loads no client library, and asks for its extra by name."""

import subprocess
import sys

import pytest

EXTRAS = {
    "awin": ("httpx", "httpx"),
    "ga4": ("google.analytics", "google-analytics-data"),
    "linkedin": ("httpx", "httpx"),
    "meta": ("facebook_business", "facebook-business"),
    "microsoft": ("openapi_client", "msads"),
    "tiktok": ("business_api_client", "tiktok-business-api-sdk-official"),
}
PROGRAM = """
import importlib, sys
from pathlib import Path
name, module = sys.argv[1:]
sys.modules[module] = None
package = importlib.import_module(f"connectors.{name}")
from connectors.contract import BuildContext
from connectors.errors import BadInput
try:
    package.build(BuildContext(name, {}, Path()))
except BadInput as error:
    print(error)
"""
LOADED = """
import importlib, sys
name, module = sys.argv[1:]
importlib.import_module(f"connectors.{name}")
print(module in sys.modules)
"""


@pytest.mark.parametrize("name", EXTRAS)
def test_the_extra_is_asked_for_by_name(name):
    module, package = EXTRAS[name]
    ran = subprocess.run([sys.executable, "-c", PROGRAM, name, module], capture_output=True, text=True, check=True)
    assert f"pip install 'outlay[{name}]'" in ran.stdout
    assert package in ran.stdout


@pytest.mark.parametrize("name", EXTRAS)
def test_importing_it_loads_no_client_library(name):
    told = [sys.executable, "-c", LOADED, name, EXTRAS[name][0]]
    assert subprocess.run(told, capture_output=True, text=True, check=True).stdout.strip() == "False"
