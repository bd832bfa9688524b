"""`RealtimeModel`: what it takes, what it refuses, and what it promises of its sessions."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import aiohttp
import pytest
from livekit.agents import APIConnectOptions, Plugin, llm, utils
from livekit.plugins import openai as upstream
from livekit.plugins import rejoinder as plugin

from rejoinder.core.deadlines import Timeouts
from rejoinder.core.recovery import Recovery
from rejoinder.errors import ConfigurationError
from rejoinder.livekit import RealtimeModel, RealtimeSession
from rejoinder.testing import Run
from tests.client.sockets import tcp_server
from tests.livekit.talk import WORDS, talking

KEY = "sk-very-secret-indeed"


def model(**options: Any) -> RealtimeModel:
    return RealtimeModel(api_key=KEY, **options)


def test_it_is_found_where_livekit_looks() -> None:
    assert plugin.realtime.RealtimeModel is RealtimeModel
    assert plugin.realtime.RealtimeSession is RealtimeSession
    assert upstream.realtime.RealtimeModel.__module__.startswith("livekit.plugins.openai")


def test_it_is_registered_as_a_plugin() -> None:
    titles = [registered.title for registered in Plugin.registered_plugins]

    assert titles.count("livekit.plugins.rejoinder") == 1


def test_capabilities_are_those_of_upstream() -> None:
    theirs = upstream.realtime.RealtimeModel(api_key=KEY)

    assert model().capabilities == theirs.capabilities


@pytest.mark.parametrize(
    "options",
    [
        {"modalities": ["text"]},
        {"input_audio_transcription": None},
        {"turn_detection": None},
        {"turn_detection": {"type": "server_vad", "create_response": False}},
    ],
)
def test_capabilities_follow_the_options(options: dict[str, Any]) -> None:
    ours = model(**options).capabilities

    assert ours.audio_output is ("modalities" not in options)
    assert ours.user_transcription is ("input_audio_transcription" not in options)
    assert ours.turn_detection is ("turn_detection" not in options)
    assert ours.can_disable_turn_detection is ("turn_detection" not in options)


def test_it_says_who_it_is() -> None:
    ours = model(model="gpt-realtime-mini", base_url="https://example.com/v1")

    assert ours.model == "gpt-realtime-mini"
    assert ours.provider == "example.com"
    assert ours.label == "rejoinder.livekit.model.RealtimeModel"
    assert ours.metrics_metadata == {
        "model_name": "gpt-realtime-mini",
        "model_provider": "example.com",
    }


def test_without_a_base_url_it_is_openais_or_the_environments(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    assert model().provider == "api.openai.com"

    monkeypatch.setenv("OPENAI_BASE_URL", "https://proxy.example.com/v1")
    assert model().provider == "proxy.example.com"


def test_a_missing_key_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)

    with pytest.raises(ConfigurationError, match=r"`api_key`.*OPENAI_API_KEY"):
        RealtimeModel()


def test_the_key_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)

    assert KEY not in repr(RealtimeModel())


def test_a_version_of_another_service_in_the_environment_changes_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_API_VERSION", "2024-10-01-preview")

    assert model(base_url="https://api.openai.com/v1").provider == "api.openai.com"


@pytest.mark.parametrize("url", ["", "ftp://example.com", "example.com", "https://", "http://a b"])
def test_a_bad_url_is_named(url: str) -> None:
    with pytest.raises(ConfigurationError, match="base_url"):
        model(base_url=url)


def test_an_option_that_does_not_exist_is_refused() -> None:
    with pytest.raises(TypeError, match="colour"):
        model(colour="red")


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"turn_detection": 5}, "turn_detection"),
        ({"modalities": ["smell"]}, "modalities"),
        ({"max_response_output_tokens": 1.5}, "max_output_tokens"),
        ({"busy": "perhaps"}, "busy"),
        ({"timeouts": Timeouts(gap=-1.0)}, "timeouts.gap"),
    ],
)
def test_a_bad_option_is_named(options: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        model(**options)


def test_a_session_needs_a_running_loop() -> None:
    with pytest.raises(ConfigurationError, match="running event loop"):
        model().session()


def test_the_key_is_in_no_repr() -> None:
    ours = model()

    assert KEY not in repr(ours)
    assert KEY not in repr(ours.settings)
    assert KEY not in repr(vars(ours))


def test_what_has_no_effect_is_said(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="rejoinder.livekit"):
        model(temperature=0.8, max_session_duration=600.0)

    assert "temperature" in caplog.text
    assert "max_session_duration" not in caplog.text


def test_turns_that_are_only_half_ours_are_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    half = {"type": "server_vad", "create_response": False}
    whole = {**half, "interrupt_response": False}
    with caplog.at_level(logging.WARNING, logger="rejoinder.livekit"):
        model(turn_detection=whole)
        assert caplog.text == ""
        model(turn_detection=half)

    assert "interrupt_response" in caplog.text


def test_clocks_come_from_where_livekit_has_them() -> None:
    patient = APIConnectOptions(timeout=33.0)

    assert model(conn_options=patient).settings.timeouts.connect == 33.0
    assert model(timeouts=Timeouts(gap=3.0)).settings.timeouts.gap == 3.0


def test_how_a_session_outlives_its_connections_comes_from_where_livekit_has_it() -> None:
    assert model().settings.recovery == Recovery()
    patient = APIConnectOptions(max_retry=5, retry_interval=4.0)
    told = model(conn_options=patient, max_session_duration=None).settings.recovery
    assert (told.attempts, told.pause, told.renew_after) == (5, 4.0, None)
    assert told.give_up > 4.0 + 8.0 + 16.0 + 32.0
    assert model(max_session_duration=600.0).settings.recovery.renew_after == 600.0
    assert model(conn_options=APIConnectOptions(max_retry=0)).settings.recovery.attempts == 0


def test_livekit_may_take_turn_detection_over(run: Run) -> None:
    async def main() -> None:
        async with talking() as talk:
            session = talk.model.session(turn_detection_disabled=True)
            await session.generate_reply()
            served = talk.server.sessions[-1]

            assert served.core.settings.turn_detection is None
            assert not session.capabilities.turn_detection
            assert talk.session.capabilities.turn_detection
            assert session.realtime_model is talk.model
            await session.aclose()

    run(main())


def test_updated_options_are_those_of_the_next_session(run: Run) -> None:
    async def main() -> None:
        async with talking() as talk:
            talk.model.update_options(voice="cedar", turn_detection=None)
            await talk.session.aclose()
            session = talk.model.session()
            await session.generate_reply()

            assert talk.server.sessions[-1].core.settings.voice == "cedar"
            assert not talk.model.capabilities.turn_detection
            await session.aclose()

    run(main())


def test_every_step_can_be_journaled_without_the_key(run: Run) -> None:
    steps: list[tuple[float, object, list[object]]] = []

    async def main() -> None:
        async with talking(journal=lambda *step: steps.append(step)) as talk:
            assert (await talk.reply()).text == WORDS

    run(main())
    assert len(steps) > 10
    assert KEY not in repr(steps)


def test_the_connection_is_that_of_the_job(run: Run) -> None:
    paths: list[str] = []

    async def seen(_: object, __: object, request: aiohttp.TraceRequestStartParams) -> None:
        paths.append(request.url.path)

    async def main() -> None:
        requests = aiohttp.TraceConfig()
        requests.on_request_start.append(seen)
        requests.freeze()
        async with utils.http_context.open() as shared, talking() as talk:
            shared.trace_configs.append(requests)
            assert (await talk.reply()).text == WORDS
            await talk.session.aclose()
            assert not shared.closed
        assert paths == ["/v1/realtime"]

    run(main())


def test_the_model_can_be_left_like_a_context(run: Run) -> None:
    async def main() -> None:
        async with talking() as talk:
            async with talk.model as same:
                assert same is talk.model
            assert (await talk.reply()).text == WORDS

    run(main())


def test_the_fallback_adapter_takes_it() -> None:
    adapter = llm.RealtimeModelFallbackAdapter(
        [model(), upstream.realtime.RealtimeModel(api_key=KEY)]
    )

    assert adapter.capabilities.turn_detection


def test_a_session_tells_what_it_does(run: Run) -> None:
    async def main() -> None:
        async with talking() as talk:
            promise = talk.session.generate_reply()
            assert repr(talk.session) == "<RealtimeSession of gpt-realtime, 1 replies>"
            promise.cancel()
        assert repr(talk.session) == "<RealtimeSession of gpt-realtime, ended>"

    run(main())


def test_connecting_takes_no_longer_than_livekit_says(run: Run) -> None:
    async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    async def main() -> None:
        async with tcp_server(silent) as url:
            began_at = asyncio.get_running_loop().time()
            patience = APIConnectOptions(timeout=3.0)
            session = RealtimeModel(base_url=url, api_key=KEY, conn_options=patience).session()
            with pytest.raises(llm.RealtimeError, match="within 3 s"):
                await session.generate_reply()
            assert asyncio.get_running_loop().time() == pytest.approx(began_at + 3.0)
            await session.aclose()

    run(main())
