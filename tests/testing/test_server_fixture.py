"""The fixtures together, as their documentation shows them."""

from __future__ import annotations

import rejoinder
from rejoinder.testing import Run, Serve


def test_a_silent_server_is_noticed(run: Run, realtime_server: Serve) -> None:
    async def conversation() -> None:
        async with (
            realtime_server(faults=["silence-after-created"]) as server,
            rejoinder.connect(base_url=server.url, api_key="any") as session,
        ):
            outcome = await session.create_response().outcome()
        assert isinstance(outcome, rejoinder.TimedOut)

    run(conversation())
