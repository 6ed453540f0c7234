"""Reading `config.toml`: into checked settings, or into one clear message for each thing that is wrong."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator
from decimal import Decimal
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import pydantic_settings
from pydantic import ValidationError
from pydantic_settings import SettingsConfigDict

from optimizer.agent import secrecy
from optimizer.agent.settings.errors import SettingsError, environment_problems, from_validation
from optimizer.agent.settings.layers import Layered
from optimizer.agent.settings.store import StoreTable
from optimizer.agent.settings.whole import Settings

SECRETS_DIR: Final = "OUTLAY_SECRETS_DIR"


def load(path: Path) -> Settings:
    """Read `config.toml` with the environment and secret files over it.

    Raises:
        SettingsError: The file is missing, no TOML, or holds an unknown key or a value that cannot be; the message
            names every such place with its mend.
    """
    tables = _tables(path)
    problems = environment_problems(Settings, os.environ)
    if problems:
        raise SettingsError(problems)
    unknown = [
        key for key in tables if key.startswith("_")
    ]  # pydantic would take `_env_file` as an argument of its own
    if unknown:
        raise SettingsError([f"{path}, {unknown[0]}: there is no such key. Mend: remove it."])
    return _checked(path, tables)


class _StoreAlone(Layered):
    """`[store]`, whatever stands in other tables, in the environment or in secret files."""

    model_config = SettingsConfigDict(extra="ignore")

    store: StoreTable = StoreTable()


def load_store(path: Path) -> StoreTable:
    """Read `[store]` of `config.toml` and nothing else: for what must go on while other tables make no sense.

    Raises:
        SettingsError: The file is missing, no TOML, or `[store]` cannot be used.
    """
    tables = {key: table for key, table in _tables(path).items() if key == "store"}
    store = _read(_StoreAlone, path, tables).store
    secrecy.keep(_of_store(store))
    return store


def load_store_outside(path: Path) -> StoreTable:
    """Read what the environment and secret files say of `[store]`, for where the file cannot be read.

    Raises:
        SettingsError: They hold what cannot be.
    """
    store = _read(_StoreAlone, path, {}).store
    secrecy.keep(_of_store(store))
    return store


def _checked(path: Path, tables: dict[str, Any]) -> Settings:
    settings = _read(Settings, path, tables)
    secrecy.keep(_secrets(settings))
    return settings


def _read[S: (Settings, _StoreAlone)](kind: type[S], path: Path, tables: dict[str, Any]) -> S:
    try:
        return kind(_secrets_dir=os.environ.get(SECRETS_DIR) or None, **tables)
    except ValidationError as error:
        raise SettingsError(from_validation(error, Settings, str(path), os.environ)) from None
    except (pydantic_settings.SettingsError, OSError, UnicodeDecodeError) as error:
        mend = f"Mend: write JSON there, or set single keys as in OUTLAY_GOAL__MARGIN=0.4; see also {SECRETS_DIR}."
        raise SettingsError([f"environment or secret files: {error}. {mend}"]) from None


def _secrets(settings: Settings) -> Iterator[str]:
    """Everything in the settings that no message may hold."""
    yield from _of_store(settings.store)
    for hook in settings.webhooks:
        yield hook.secret.get_secret_value()
        yield from secrecy.of_hook(hook.url)
    if settings.oidc.client_secret is not None:
        yield settings.oidc.client_secret.get_secret_value()
    for url in settings.notify.urls:
        yield url.get_secret_value()
        yield from secrecy.of_address(url.get_secret_value())
    for table in settings.connectors.values():
        yield from secrecy.of_options(table.options)


def _of_store(store: StoreTable) -> Iterator[str]:
    yield from secrecy.logins(store.url)  # its path is no secret
    if store.password is not None:
        yield store.password.get_secret_value()


def _tables(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"), parse_float=Decimal)
    except FileNotFoundError:
        raise SettingsError([f"{path}: there is no such file. Mend: write one with `outlay init`."]) from None
    except OSError as error:
        raise SettingsError([f"{path}: cannot be read: {error.strerror}. Mend: let this user read it."]) from None
    except UnicodeDecodeError as error:
        place = f"{path}: byte {error.start} is not UTF-8"
        raise SettingsError([f"{place}. Mend: save the file as UTF-8."]) from None
    except tomllib.TOMLDecodeError as error:
        mend = "Mend: correct that line; texts stand in double quotes, tables in [brackets]."
        raise SettingsError([f"{path}: not valid TOML: {error}. {mend}"]) from None


def sample() -> str:
    """Return the commented `config.toml` that `outlay init` writes; it says nothing but the defaults."""
    return (files("optimizer.agent.settings") / "sample.toml").read_text(encoding="utf-8")
