"""Reading client events: whatever a frame holds, it is an event or an answer that says what is wrong."""

from __future__ import annotations

import pytest

from rejoinder.server.reading import Unreadable, read
from rejoinder.wire.client_events import ConversationItemDelete, SessionUpdate

NESTED = "[" * 900 + "]" * 900
ENDLESS = "[" * 200_000 + "]" * 200_000


@pytest.mark.parametrize(
    "frame",
    [
        '{"type":"conversation.item.delete","item_id":"\\ud800"}',
        '{"type":"session.update","session":{"instructions":NaN}}',
        '\ufeff{"type":"response.create"}',
        '{"type":"session.update","session":{"tools":[{"n":1e999}]}}',
        '{"type":"response.create","extra":1e999}',
        '{"type":"response.create","extra":NaN}',
        f'{{"type":"response.create","extra":{ENDLESS}}}',
        ENDLESS,
    ],
)
def test_what_is_not_quite_json_is_refused_and_not_mended(frame: str) -> None:
    event = read(frame)
    assert isinstance(event, Unreadable)
    assert event.refusal.code == "invalid_json"


def test_nesting_is_harmless_wherever_it_stands() -> None:
    tools = f'{{"type":"session.update","session":{{"tools":[{{"n":{NESTED}}}]}}}}'
    assert isinstance(read(tools), SessionUpdate)
    for alien in (f'"extra":{NESTED}', f'"session":{{"tools":{NESTED}}}'):
        assert isinstance(read(f'{{"type":"session.update",{alien}}}'), Unreadable)
    assert isinstance(
        read('{"type":"conversation.item.delete","item_id":"i1"}'), ConversationItemDelete
    )
