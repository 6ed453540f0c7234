"""What happens, as it happens: server-sent events that say that something changed, and no more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import datetime
from typing import Annotated, Final

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import Response
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.concurrency import run_in_threadpool

from optimizer.agent.web.gate import Viewer
from optimizer.agent.web.premises import Premises
from optimizer.ports import StoreError

router = APIRouter(include_in_schema=False)

_SECONDS: Final = 1.0


@router.get("/{portfolio}/live")
async def live(
    request: Request,
    visitor: Viewer,
    since: Annotated[int | None, Query(ge=0)] = None,
    last_event_id: Annotated[str, Header()] = "",
) -> Response:
    """Stream an event each time that the history grows beyond what the page or the last event knew, or rows came in."""
    known = int(last_event_id) if last_event_id.isdecimal() else since
    changes = _changes(request, visitor.premises, visitor.seen if known is None else known)
    return EventSourceResponse(changes, ping=15, headers={"X-Accel-Buffering": "no"})


async def _changes(request: Request, premises: Premises, known: int) -> AsyncIterator[ServerSentEvent]:
    pulled: datetime | None = None
    begun = False
    store = premises.store
    while not await request.is_disconnected():
        with suppress(StoreError):  # whoever asks for a page is told
            entries, newest = await run_in_threadpool(_state, premises)
            if premises.store is not store:
                return  # the browser asks again, and the other store says whether it may
            if entries != known or (begun and newest != pulled):
                yield ServerSentEvent(data="", event="changed", id=str(entries))
            known, pulled, begun = entries, newest, True
        await asyncio.sleep(_SECONDS)


def _state(premises: Premises) -> tuple[int, datetime | None]:
    return premises.entries, premises.pulled
