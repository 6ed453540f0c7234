"""What is used of Microsoft's own library, `msads`: its client, without the generated models and `ServiceClient`.

`ServiceClient` replaces how every pydantic model of the process sets its fields, so that frozen settings could be
changed; without it the generated models of unknown kinds of ads fail, and lose their ids. Both also read amounts as
floats. So the library's `ApiClient` is called with plain JSON: the same headers, revision, connections and errors.
"""

from __future__ import annotations

import warnings
from typing import Any

with warnings.catch_warnings():
    # Its generated models are written for the pydantic before this one.
    warnings.simplefilter("ignore", DeprecationWarning)
    from openapi_client.api_client import ApiClient
    from openapi_client.configuration import Configuration
    from openapi_client.exceptions import ApiException

__all__ = ["ApiException", "opened"]


def opened(host: str, headers: dict[str, str]) -> Any:
    """Return a client of one service that sends every request once, with these headers.

    Args:
        host: Without a slash at the end.
        headers: Of every request.
    """
    api = ApiClient(Configuration(host=host))
    # Its connections would repeat a request whose answer was lost, a change of a budget too.
    api.rest_client.pool_manager.connection_pool_kw["retries"] = False
    for name, value in headers.items():
        api.set_default_header(name, value)
    return api
