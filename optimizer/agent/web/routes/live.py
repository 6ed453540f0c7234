"""What happens, as it happens: server-sent events that say that something changed, and no more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import Response
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.concurrency import run_in_threadpool

from optimizer.agent.web.gate import Viewer
from optimizer.agent.web.premises import Premises
from optimizer.ports import Pulse, StoreError

router = APIRouter(include_in_schema=False)

_SECONDS: Final = 1.0


@router.get("/{portfolio}/live")
async def live(request: Request, visitor: Viewer) -> Response:
    """Stream an event each time that the history grows, until the session or the browser ends."""
    return EventSourceResponse(_changes(request, visitor.premises), ping=15, headers={"X-Accel-Buffering": "no"})


async def _changes(request: Request, premises: Premises) -> AsyncIterator[ServerSentEvent]:
    known: Pulse | None = None
    while not await request.is_disconnected():
        try:
            pulse = await run_in_threadpool(premises.store.pulse)
        except StoreError:
            pulse = known  # whoever asks for a page is told
        if pulse != known and known is not None:
            yield ServerSentEvent(data="", event="changed", id=str(pulse.entries if pulse else 0))
        known = pulse
        await asyncio.sleep(_SECONDS)
