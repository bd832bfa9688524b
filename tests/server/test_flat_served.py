"""Who is spoken to in the older shape, and that over a real socket."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import pytest

import rejoinder
from rejoinder.server.handshake import Admitted, Turned, Upgrade, judge
from rejoinder.server.script import Call, Script, Speech, Turn
from rejoinder.server.serve import Server, serve
from rejoinder.testing import Run
from rejoinder.wire.dialects import azure_legacy
from rejoinder.wire.items import ContentPart, Item
from rejoinder.wire.session import Audio, AudioOutput, SessionConfig
from tests.server.test_serve import Client, connected

MODEL = {"model": "gpt-4o-realtime-preview"}

# -- who speaks it --

ASKS = [
    Upgrade(MODEL, {"openai-beta": "realtime=v1"}),
    Upgrade(MODEL, {"openai-beta": "assistants=v2, realtime=v1"}),
    Upgrade(MODEL, {}, ["realtime", "openai-beta.realtime-v1"]),
]
ADDRESSES = [
    Upgrade({"api-version": "2024-10-01-preview", "deployment": "mine"}, {}),
    Upgrade({"deployment": "mine"}, {}, (), "/openai/v1/realtime"),
    Upgrade(MODEL, {}, (), "/openai/realtime"),
]


@pytest.mark.parametrize("upgrade", ASKS + ADDRESSES)
def test_who_asks_for_the_older_shape_is_spoken_to_in_it(upgrade: Upgrade) -> None:
    model = upgrade.query.get("model", "mine")
    assert judge(upgrade, None) == Admitted("realtime", model, flat=True)
    assert judge(upgrade, None, "flat") == Admitted("realtime", model, flat=True)


def test_who_does_not_is_spoken_to_in_it_only_if_everybody_is() -> None:
    upgrade = Upgrade(MODEL, {"openai-beta": "assistants=v2"}, ["realtime"])
    assert judge(upgrade, None) == judge(upgrade, None, "ga")
    assert judge(upgrade, None, "ga") == Admitted("realtime", MODEL["model"], flat=False)
    assert judge(upgrade, None, "flat") == Admitted("realtime", MODEL["model"], flat=True)


@pytest.mark.parametrize("upgrade", ASKS)
def test_a_server_of_today_alone_refuses_it_inside(upgrade: Upgrade) -> None:
    verdict = judge(upgrade, None, "ga")
    assert isinstance(verdict, Turned)
    assert (verdict.close_code, verdict.status) == (4000, None)
    assert verdict.reason == "invalid_request_error.beta_api_shape_disabled"


@pytest.mark.parametrize("upgrade", ADDRESSES)
def test_and_does_not_answer_its_addresses(upgrade: Upgrade) -> None:
    verdict = judge(upgrade, None, "ga")
    assert isinstance(verdict, Turned)
    assert verdict.status == 401


def test_the_key_comes_first() -> None:
    verdict = judge(ASKS[0], "sk-right", "ga")
    assert isinstance(verdict, Turned)
    assert verdict.close_code == 3000


# -- over a real socket --


def test_a_client_of_the_older_shape_and_one_of_today(run: Run) -> None:
    async def greeted(client: Client) -> list[str]:
        return sorted((await client.hear())["session"])

    async def exchange() -> None:
        async with serve() as server:
            headers = {"OpenAI-Beta": "realtime=v1"}
            async with connected(server, headers=headers) as older:
                assert "modalities" in await greeted(older)
                assert (await older.hear())["type"] == "conversation.created"
            async with connected(server) as today:
                assert "output_modalities" in await greeted(today)
        async with serve(dialect="ga") as server, connected(server, headers=headers) as older:
            assert (await older.hear())["error"]["code"] == "beta_api_shape_disabled"
            assert await older.end() == 4000

    run(exchange())


SCRIPT = Script(
    Turn("weather", Call("weather", {"city": "Oslo"})),
    Turn(None, Speech("Fine.", bytes(9600))),
    Turn(None, Speech("Bye.", bytes(48000))),
)


@contextlib.asynccontextmanager
async def preview(root: str) -> AsyncIterator[tuple[Server, rejoinder.Session]]:
    """Our own client in the dialect of a preview, and the server that it talks to."""
    async with (
        serve(SCRIPT, api_key="key", faults=["response-error@delta:2#3"]) as server,
        rejoinder.connect(
            base_url=server.url.removesuffix("/v1") + root,
            model="mine",
            api_key="key",
            dialect=azure_legacy("2024-10-01-preview"),
        ) as session,
    ):
        yield server, session


def message(role: str, kind: str, text: str) -> Item:
    return Item(type="message", role=role, content=[ContentPart(type=kind, text=text)])


@pytest.mark.parametrize("root", ["", "/openai"])
def test_our_own_client_in_the_dialect_of_a_preview(run: Run, root: str) -> None:
    async def exchange() -> None:
        async with preview(root) as (server, session):
            config = server.sessions[0].core.settings.config
            assert config["model"] == "mine"
            await session.update(SessionConfig(instructions="Hm.", output_modalities=["audio"]))
            assert server.sessions[0].core.settings.config["instructions"] == "Hm."
            await session.create_item(message("user", "input_text", "What weather?"))
            called = await session.create_response().outcome()
            (call,) = called.delivered.function_calls
            assert (call.name, call.arguments) == ("weather", '{"city":"Oslo"}')
            spoken = await session.create_response(instructions="Say it.").outcome()
            assert isinstance(spoken, rejoinder.Completed)
            assert (spoken.delivered.text, spoken.delivered.audio_seconds) == ("Fine.", 0.2)
            await session.create_item(message("assistant", "output_text", "Fine."))
            failed = await session.create_response().outcome()
            assert isinstance(failed, rejoinder.Failed)
            with pytest.raises(rejoinder.EditRefused, match="voice"):
                await session.update(SessionConfig(audio=Audio(output=AudioOutput(voice="ash"))))

    run(exchange())


def test_an_unknown_dialect_is_refused(run: Run) -> None:
    async def exchange() -> None:
        async with serve(dialect="klingon"):
            pass

    with pytest.raises(rejoinder.ConfigurationError, match="dialect 'klingon': use one of auto"):
        run(exchange())
