"""`Session.send`: events that the application writes by hand are sent as they are, and kept track of."""

from __future__ import annotations

from typing import Any

import pytest

from rejoinder.client.edit import Edit
from rejoinder.client.response import Response
from rejoinder.core.effects import Acknowledged
from rejoinder.core.outcomes import Cancelled, Completed, Rejected
from rejoinder.errors import ConfigurationError, EditRefused
from rejoinder.testing import Run
from rejoinder.wire import client_events as ce
from tests.client.peer import conversation, until


def test_a_response_is_returned_and_settles(run: Run) -> None:
    async def main() -> None:
        async with conversation() as (session, peer):
            asked: dict[str, Any] = {"type": "response.create", "event_id": "mine", "response": {}}
            response = session.send(asked)
            assert isinstance(response, Response)
            asked["response"]["tools"] = "scribbled on later"
            sent = await peer.hear()
            assert sent["event_id"] == "mine"
            assert list(sent["response"]) == ["metadata"]
            await peer.created("r1", metadata=sent["response"]["metadata"])
            await peer.text("r1", "Hello")
            await peer.done("r1")
            outcome = await response.outcome()
            assert isinstance(outcome, Completed)
            assert outcome.delivered.text == "Hello"

    run(main())


def test_typed_or_plain_is_all_one(run: Run) -> None:
    async def main() -> None:
        async with conversation() as (session, peer):
            first = session.send(ce.ResponseCreate(event_id="mine"))
            assert isinstance(first, Response)
            assert (await peer.hear())["event_id"] == "mine"
            await peer.say("error", error={"code": "invalid_value", "event_id": "mine"})
            assert isinstance(await first.outcome(), Rejected)

    run(main())


@pytest.mark.parametrize("cancel", [{}, {"response_id": "r1"}], ids=["holder", "by-id"])
def test_a_cancel_goes_out_by_id(run: Run, cancel: dict[str, str]) -> None:
    async def main() -> None:
        async with conversation() as (session, peer):
            response = session.create_response()
            await peer.begin("r1")
            await until(lambda: response.id == "r1")
            assert session.send({"type": "response.cancel", **cancel}) is None
            assert (await peer.hear())["response_id"] == "r1"
            await peer.done("r1", "cancelled")
            assert isinstance(await response.outcome(), Cancelled)

    run(main())


def test_an_edit_is_returned_and_settles(run: Run) -> None:
    async def main() -> None:
        async with conversation() as (session, peer):
            deleted = session.send(
                {"type": "conversation.item.delete", "item_id": "i1", "event_id": "e"}
            )
            assert isinstance(deleted, Edit)
            assert (deleted.key, deleted.item_id) == ("e", "i1")
            await peer.hear()
            await peer.say("error", error={"code": "item_delete_invalid_item_id", "event_id": "e"})
            with pytest.raises(EditRefused) as refusal:
                await deleted
            assert refusal.value.code == "item_delete_invalid_item_id"

    run(main())


@pytest.mark.parametrize("event_id", [None, "", 7, "e"])
def test_two_edits_never_share_a_name(run: Run, event_id: Any) -> None:
    async def main() -> None:
        async with conversation() as (session, peer):
            clear = {"type": "input_audio_buffer.clear", "event_id": event_id}
            edits = [session.send(clear), session.send(clear)]
            names = {(await peer.hear())["event_id"] for _ in edits}
            assert len(names) == 2
            assert all(isinstance(name, str) and name for name in names)
            for edit in edits:
                assert isinstance(edit, Edit)
                await peer.say("input_audio_buffer.cleared")
                assert await edit == Acknowledged()

    run(main())


def test_an_item_without_a_name_is_given_one(run: Run) -> None:
    async def main() -> None:
        async with conversation() as (session, peer):
            item = {"type": "message", "role": "user", "novelty": 1}
            edit = session.send({"type": "conversation.item.create", "item": item})
            assert isinstance(edit, Edit)
            sent = (await peer.hear())["item"]
            assert sent == {**item, "id": edit.item_id}
            assert "id" not in item

    run(main())


def test_of_audio_by_hand_too_only_the_newest_waits_for_a_connection(run: Run) -> None:
    async def main() -> None:
        async with conversation() as (session, peer):
            session.send({"type": "input_audio_buffer.append", "audio": "AAAA"})
            session.send({"type": "input_audio_buffer.append", "audio": None, "aside": 1})
            heard = [await peer.hear(), await peer.hear()]
            assert heard == [
                {"type": "input_audio_buffer.append", "audio": "AAAA"},
                {"type": "input_audio_buffer.append", "audio": None, "aside": 1},
            ]

    run(main())


@pytest.mark.parametrize(
    ("event", "words"),
    [
        ({"type": "response.create", "response": "loud"}, "`response` must be an object"),
        ({"type": "response.create", "response": {"metadata": 5}}, "`metadata` must be an object"),
        (
            {"type": "response.create", "response": {"metadata": {str(n): "" for n in range(16)}}},
            "15 pairs",
        ),
        ({"type": "response.cancel", "response_id": 5}, "`response_id` must be a text"),
    ],
)
def test_what_could_not_be_kept_track_of_is_refused(
    run: Run, event: dict[str, Any], words: str
) -> None:
    async def main() -> None:
        async with conversation() as (session, _):
            with pytest.raises(ConfigurationError, match=words):
                session.send(event)
            assert session.live == ()

    run(main())


@pytest.mark.parametrize("item_id", [None, ""])
def test_an_item_with_an_empty_name_is_given_one(run: Run, item_id: str | None) -> None:
    async def main() -> None:
        async with conversation() as (session, peer):
            item = {"type": "message", "role": "user", "id": item_id}
            edit = session.send({"type": "conversation.item.create", "item": item})
            assert isinstance(edit, Edit)
            assert edit.item_id
            assert (await peer.hear())["item"]["id"] == edit.item_id

    run(main())


@pytest.mark.parametrize("name", ["rejoinder_config", "mine"])
def test_a_name_that_waits_for_its_answer_is_not_given_twice(run: Run, name: str) -> None:
    async def main() -> None:
        async with conversation() as (session, peer):
            response = session.send({"type": "response.create", "event_id": "mine"})
            edit = session.send({"type": "input_audio_buffer.clear", "event_id": name})
            assert isinstance(response, Response)
            assert isinstance(edit, Edit)
            assert (await peer.hear())["event_id"] == "mine"
            own = (await peer.hear())["event_id"]
            assert own == edit.key != name
            await peer.say("error", error={"code": "invalid_value", "event_id": own})
            with pytest.raises(EditRefused):
                await edit
            assert session.live == (response,)

    run(main())


def test_a_format_by_hand_is_known(run: Run) -> None:
    async def main() -> None:
        async with conversation() as (session, _):
            with pytest.raises(ConfigurationError, match="whole samples"):
                session.append_audio(b"123")
            heard = {"input": {"format": {"type": "audio/pcmu"}}}
            session.send({"type": "session.update", "session": {"audio": heard}})
            session.append_audio(b"123")

    run(main())


@pytest.mark.parametrize("retries", [-1, 101, 1.5, True, "2", None])
def test_retries_is_a_whole_number(run: Run, retries: Any) -> None:
    async def main() -> None:
        with pytest.raises(ConfigurationError, match="retries must be a whole number"):
            async with conversation(retries=retries):
                pass

    run(main())


def test_a_response_that_failed_is_asked_for_again_under_the_same_handle(run: Run) -> None:
    async def main() -> None:
        async with conversation(retries=1) as (session, peer):
            response = session.create_response()
            key = await peer.begin("r1")
            error = {"code": "rate_limit_exceeded", "message": "try again in 20ms"}
            await peer.done("r1", "failed", status_details={"error": error})
            again = await peer.hear("response.create")
            assert again["response"]["metadata"]["rejoinder_key"] == f"{key}.2"
            await peer.created("r2", metadata=again["response"]["metadata"])
            await peer.text("r2", "Hello")
            await peer.done("r2")
            outcome = await response.outcome()
            assert isinstance(outcome, Completed)
            assert (outcome.asked, outcome.response_id) == (2, "r2")

    run(main())
