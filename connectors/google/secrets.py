"""The credentials of a Google Ads connector: read from where they are, handed to the library, never asked for early."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml
from google.oauth2 import credentials as user
from google.oauth2 import service_account as service

from connectors.contract import BuildContext
from connectors.credentials import Redactor, read_private
from connectors.errors import AskMarketer
from connectors.google.options import Options

SCOPE: Final = "https://www.googleapis.com/auth/adwords"
"""All that the connector asks for; Google Ads has no narrower one."""

_OWN: Final = ("client_id", "client_secret", "refresh_token")


@dataclass(frozen=True, slots=True)
class Secrets:
    """What a client is built with.

    Attributes:
        credentials: Of google-auth, not yet renewed: to build a client asks nobody anything.
        developer_token: The developer token.
        login_customer_id: The manager account through which the others are reached, or None.
        redactor: Takes all of it out of texts.
    """

    credentials: Any = field(repr=False)
    developer_token: str = field(repr=False)
    login_customer_id: str | None
    redactor: Redactor


def read_secrets(context: BuildContext, options: Options) -> Secrets:
    """Read the credentials that the settings name.

    The library's own `load_from_dict` is not used: it asks a fixed address for a token while it is built.

    Raises:
        AskMarketer: One is not there, or a file is not what it should be.
    """
    redactor = Redactor()
    if options.config_file is not None:
        return _of_file(context, options, redactor)
    assert options.developer_token is not None  # noqa: S101 - see Options
    token = _hidden(options.developer_token.read(context, "developer_token"), redactor)
    if options.service_account is not None:
        path = context.home / options.service_account
        credentials = _service(path, options.impersonate, f"{context.source}, field 'service_account'", redactor)
    else:
        assert options.client_id is not None  # noqa: S101 - see Options
        assert options.client_secret is not None  # noqa: S101
        assert options.refresh_token is not None  # noqa: S101
        given = {
            "client_id": options.client_id,
            "client_secret": options.client_secret.read(context, "client_secret"),
            "refresh_token": options.refresh_token.read(context, "refresh_token"),
        }
        credentials = _user(given, options.token_uri, redactor)
    return Secrets(credentials, token, options.login_customer_id, redactor)


def _of_file(context: BuildContext, options: Options, redactor: Redactor) -> Secrets:
    """Read the official client's own google-ads.yaml."""
    assert options.config_file is not None  # noqa: S101 - the caller looked
    path = context.home / options.config_file
    place = f"{context.source}, field 'config_file'"
    found = _mapping(path, place, yaml.safe_load, "YAML")
    token = found.get("developer_token")
    if options.developer_token is not None:
        token = options.developer_token.read(context, "developer_token")
    if not token:
        raise AskMarketer(f"{place}: {path.name} has no developer_token", mend=f"add developer_token to {path}")
    login = options.login_customer_id or str(found.get("login_customer_id") or "").replace("-", "") or None
    if all(found.get(name) for name in _OWN):
        given = {name: str(found[name]) for name in _OWN}
        credentials = _user(given, options.token_uri, redactor)
    elif found.get("json_key_file_path"):
        subject = found.get("impersonated_email")
        credentials = _service(path.parent / str(found["json_key_file_path"]), subject, place, redactor)
    else:
        raise AskMarketer(
            f"{place}: {path.name} has neither {', '.join(_OWN)} nor json_key_file_path", mend=f"complete {path}"
        )
    return Secrets(credentials, _hidden(str(token), redactor), login, redactor)


def _user(given: Mapping[str, str], token_uri: str, redactor: Redactor) -> Any:
    for name in ("client_secret", "refresh_token"):
        redactor.add(given[name])
    return user.Credentials(None, **given, token_uri=token_uri, scopes=[SCOPE])


def _service(path: Path, subject: str | None, place: str, redactor: Redactor) -> Any:
    info = _mapping(path, place, json.loads, "JSON")
    redactor.add(str(info.get("private_key", "")))
    redactor.add(str(info.get("private_key_id", "")))
    try:
        return service.Credentials.from_service_account_info(info, scopes=[SCOPE], subject=subject)
    except (ValueError, KeyError):
        wrong = f"{place}: {path.name} is not the key of a service account"
    raise AskMarketer(wrong, mend="download a JSON key of the service account anew")


def _mapping(path: Path, place: str, read: Any, form: str) -> dict[str, Any]:
    text = read_private(path, place)
    try:
        found = read(text)
    except (ValueError, yaml.YAMLError):
        wrong = f"is not {form}"  # its own words may show a secret
    else:
        if isinstance(found, dict):
            return found
        wrong = f"is not a {form} mapping"
    raise AskMarketer(f"{place}: {path.name} {wrong}", mend=f"write the credentials to {path}")


def _hidden(secret: str, redactor: Redactor) -> str:
    redactor.add(secret)
    return secret
