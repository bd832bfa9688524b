"""A session that has as much to tell a new server as it ever keeps."""

from __future__ import annotations

import asyncio

from rejoinder import SessionConfig
from rejoinder.client.session import Session
from rejoinder.core import effects as ef
from rejoinder.server.script import Script
from rejoinder.testing import Run
from rejoinder.wire.session import Audio, AudioInput
from tests.recovery.town import Town

MIB = 1024 * 1024
BY_HAND = SessionConfig(audio=Audio(input=AudioInput(turn_detection=None)))


async def fill(session: Session) -> None:
    """Shows and says as much as is kept, and half a sentence more."""
    url = "data:image/png;base64," + "A" * (4 * MIB - 1024)
    image = {"type": "input_image", "image_url": url}
    for _ in range(4):
        await session.create_item({"type": "message", "role": "user", "content": [image]})
        session.append_audio(bytes(4 * MIB))
        await session.commit_audio()
    session.append_audio(bytes(5 * MIB))
    await session.drain()


def test_all_the_images_and_all_that_was_said_can_be_told_again(run: Run) -> None:
    async def main() -> None:
        town, returned = Town(Script()), asyncio.Queue[ef.Notice]()

        def tell(notice: ef.Notice) -> None:
            if isinstance(notice, ef.Reconnected | ef.Ended):
                returned.put_nowait(notice)

        session = Session.start(
            model="m", api_key="k", dial=town.dial, session=BY_HAND, on_notice=tell
        )
        try:
            await fill(session)
            town.now.cut()
            back = await returned.get()
            assert isinstance(back, ef.Reconnected)
            assert back.lost == ()
            assert len(back.restored) == len(town.now.core.conversation.items()) == 8
        finally:
            await session.aclose()
            await town.aclose()

    run(main())
