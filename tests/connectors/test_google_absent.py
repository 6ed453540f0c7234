"""Without the extra the package imports, and asks for it by name when the platform is configured."""

import subprocess
import sys

PROGRAM = """
import sys
from pathlib import Path
for name in ("grpc", "google.ads", "google.ads.googleads", "google.auth"):
    sys.modules[name] = None
from connectors import google
from connectors.contract import BuildContext
from connectors.errors import BadInput
secret = {"env": "HOME"}
settings = dict(customer_ids=["1234567890"], developer_token=secret, client_id="a", client_secret=secret,
                refresh_token=secret)
try:
    google.build(BuildContext("google", settings, Path()))
except BadInput as error:
    print(error)
"""


def test_the_extra_is_asked_for_by_name():
    ran = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert "pip install 'outlay[google]'" in ran.stdout
    assert "google-ads" in ran.stdout


def test_importing_it_loads_no_sdk():
    told = (
        "import connectors.google, sys; print(sorted({'grpc', 'google.ads', 'google.auth', 'yaml'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
