"""Finds connectors: ours and anybody's, by the entry-point group `outlay.connectors`.

A plug-in is loaded when it is first asked for. One that cannot be loaded is reported and keeps no other from working.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.metadata import EntryPoint, entry_points
from typing import Final

from connectors.contract import BuildContext, Connector
from connectors.errors import AskMarketer, BadInput, ConnectorError

GROUP: Final = "outlay.connectors"


@dataclass(frozen=True, slots=True)
class Status:
    """One kind of connector as it is installed.

    Attributes:
        name: The `kind` in `config.toml`.
        distribution: The package and version that brings it, such as `outlay 0.1.0`.
        error: Why it cannot be used, or None.
    """

    name: str
    distribution: str
    error: str | None = None


def available() -> Mapping[str, Status]:
    """Return all installed kinds by name, in order, each loaded once to see whether it can be."""
    return {name: _status(name, points) for name, points in sorted(_installed().items())}


def build(kind: str, context: BuildContext) -> Connector:
    """Build one connector from its settings.

    Raises:
        BadInput: No such kind is installed, or a setting is wrong.
        AskMarketer: The plug-in that brings the kind is broken.
    """
    installed = _installed()
    if kind not in installed:
        near = get_close_matches(kind, installed, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise BadInput(
            f"{kind!r} is not an installed kind of connector",
            where=context.source,
            field="kind",
            mend=f"{hint}write one of {', '.join(sorted(installed))}, or install the package that brings {kind!r}.",
        )
    status = _status(kind, installed[kind])
    if status.error is not None:
        raise _broken(context, status, status.error)
    try:
        connector = installed[kind][0].load()(context)
    except ConnectorError:
        raise
    except Exception as error:
        raise _broken(context, status, _words(error)) from error
    if not isinstance(connector, Connector):
        raise _broken(context, status, f"its factory made a {type(connector).__name__}, which is no connector")
    return connector


def _installed() -> dict[str, list[EntryPoint]]:
    found: dict[str, list[EntryPoint]] = {}
    for point in entry_points(group=GROUP):
        others = found.setdefault(point.name, [])
        if all(point.value != other.value for other in others):
            others.append(point)
    return found


def _status(name: str, points: list[EntryPoint]) -> Status:
    distributions = ", ".join(_distribution(point) for point in points)
    if len(points) > 1:
        return Status(name, distributions, f"several packages bring {name!r}: {distributions}")
    try:
        factory = points[0].load()
    except Exception as error:  # noqa: BLE001 - importing a stranger's module may raise anything
        return Status(name, distributions, _words(error))
    return Status(name, distributions, None if callable(factory) else f"{points[0].value} cannot be called")


def _distribution(point: EntryPoint) -> str:
    return "an unnamed package" if point.dist is None else f"{point.dist.name} {point.dist.version}"


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _broken(context: BuildContext, status: Status, error: str) -> AskMarketer:
    return AskMarketer(
        f"{context.source}: the connector {status.name!r} of {status.distribution} cannot be used: {error}.",
        mend="reinstall or update that package, or remove the connector from the settings.",
    )
