"""`connect`: the way in."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from rejoinder.client.options import Busy
from rejoinder.client.session import Session
from rejoinder.client.transport import Dial, HttpSession
from rejoinder.client.waiting import OnEvent, OnNotice, OnResponse
from rejoinder.core.deadlines import Timeouts
from rejoinder.core.recovery import Recovery
from rejoinder.wire.dialects import OPENAI, Dialect
from rejoinder.wire.session import SessionConfig

__all__ = ["connect"]

CLOCKS = Timeouts()
"""The default of every clock."""

RECOVERY = Recovery()
"""The default policy of reconnecting."""


@asynccontextmanager
async def connect(
    *,
    model: str | None = "gpt-realtime",
    api_key: str | None = None,
    base_url: str | None = None,
    dialect: Dialect = OPENAI,
    session: SessionConfig | None = None,
    timeouts: Timeouts = CLOCKS,
    recovery: Recovery = RECOVERY,
    busy: Busy = "wait",
    retries: int = 0,
    http_session: HttpSession | None = None,
    headers: Mapping[str, str] | None = None,
    journal: OnEvent | None = None,
    on_response: OnResponse | None = None,
    on_notice: OnNotice | None = None,
    on_event_in: OnEvent | None = None,
    on_event_out: OnEvent | None = None,
    dial: Dial | None = None,
) -> AsyncIterator[Session]:
    """A session, usable inside the block::

        async with rejoinder.connect(model="gpt-realtime") as session:
            response = session.create_response(instructions="Greet the caller.")

    Options:

    - ``model``: None where the address says it all.
    - ``api_key``: default the environment variable ``OPENAI_API_KEY``. Not needed where ``headers``
      carry ``Authorization`` or ``api-key``.
    - ``base_url``: default ``OPENAI_BASE_URL``, then OpenAI's own; ``https``, ``http``, ``wss``, ``ws``.
    - ``dialect``: how the server is reached and what it wants to hear, a value of
      `rejoinder.wire.dialects`. Other dialects than OpenAI's may have other environment variables for
      the address and the key, and another name for the model.
    - ``session``: the `SessionConfig` to begin with; default: the server's own.
    - ``timeouts``: every clock, see `Timeouts`. One that runs out while the event loop is blocked waits
      for what came meanwhile: for as long again, a second at most.
    - ``recovery``: how the session outlives its connections, see `Recovery`. When one is lost, or could
      not be had, another is tried unless the server's refusal is final, and `Reconnecting` and
      `Reconnected` notices tell of it; when one has become old, it is replaced before it ends.
      ``Recovery(attempts=0)``: a lost connection is the end of the session.
    - ``busy``: what a request does while another response holds the conversation, ``"wait"``
      (default) in the queue or ``"fail"`` at once.
    - ``retries``: how often a response is asked for again, by itself, when the server declares it failed
      by a code that may pass (rate limits, server errors) before anything of it was delivered. The
      pause is what the server's words ask for; all of it stays within the clocks of the first time.
      So is one that is lost with its connection before anything of it was delivered. By default (0)
      neither is; what was never begun is asked once more on the next connection in any case.
    - ``http_session``: an ``aiohttp.ClientSession`` whose connector and proxy to use; it stays open.
    - ``headers``: added to the upgrade request.
    - ``journal``: called as ``journal(now, input, effects)`` at each step, such as
      `rejoinder.journal.record.Recorder`.
    - ``on_response``: called with each `Response` that the server begins by itself; returns the `Sink`
      that shall receive it, or None for no interest. Without it they wait in `Session.responses`.
    - ``on_notice``: called with each notice (of `rejoinder.core.effects`); then none is kept for
      `Session.notices`. ``on_event_in(raw, event)`` and ``on_event_out(event, raw)``: called with each
      event on the wire, before it is looked at and before it is sent. What they return, if it is a
      frame, takes the event's place. All of these are called synchronously, on the event loop; what
      they raise is logged and changes nothing.
    - ``dial``: opens the transport in another way than `rejoinder.client.transport.dial`.

    Entering waits for the server's first event that is not an error, since a successful upgrade proves
    nothing (OpenAI checks key and model after it). It raises

    - `ConfigurationError` at once, when an option cannot be used, there is no key, or there is no
      running event loop;
    - `ConnectError` when the server cannot be reached, refuses the upgrade (``status``,
      ``retry_after``), refuses the session right after it (``code`` and the server's message,
      ``close_code``), or says nothing usable within ``timeouts.connect`` seconds (``code``
      ``"timeout"``); after several attempts, for the reason of the last one, and after
      ``timeouts.connect`` and ``recovery.give_up`` seconds together at the latest.

    Leaving closes the session as `Session.aclose` does: within ``timeouts.close`` seconds, everything
    settled; it raises nothing of its own. Cancelling the entry closes what was opened.
    """
    opened = Session.start(
        model=model,
        api_key=api_key,
        base_url=base_url,
        dialect=dialect,
        session=session,
        timeouts=timeouts,
        recovery=recovery,
        busy=busy,
        retries=retries,
        http_session=http_session,
        headers=headers,
        journal=journal,
        on_response=on_response,
        on_notice=on_notice,
        on_event_in=on_event_in,
        on_event_out=on_event_out,
        dial=dial,
    )
    try:
        await opened.opened()
        yield opened
    finally:
        await opened.aclose()
