"""Who is asked, with which key, and in which words: OpenAI and Azure. Over real sockets."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from livekit.agents import APIConnectOptions, llm
from msgspec import UNSET
from openai.types.realtime import RealtimeSessionCreateRequest, SessionUpdateEvent

import rejoinder
from rejoinder.client import options
from rejoinder.core.deadlines import Timeouts
from rejoinder.core.outcomes import Completed
from rejoinder.errors import ConfigurationError
from rejoinder.livekit import RealtimeModel
from rejoinder.server.serve import serve
from rejoinder.testing import Run
from rejoinder.wire.client_events import SessionUpdate
from rejoinder.wire.dialects import azure_legacy
from rejoinder.wire.session import SessionConfig
from tests.livekit.deployment import ANSWER, SECONDS, VERSION, Deployment, deployed
from tests.livekit.talk import SPOKEN, WORDS, Heard, Talk

KEY = "azure-key-0123456789"
THEIRS = "sk-openai-0123456789"
TOKEN = "entra.token"
VARIABLES = (
    "OPENAI_API_KEY OPENAI_BASE_URL OPENAI_API_VERSION AZURE_OPENAI_API_KEY AZURE_OPENAI_ENDPOINT"
).split()


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Nothing is set but a key that must never reach Azure."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", THEIRS)
    return monkeypatch


@contextlib.asynccontextmanager
async def calling(**options: Any) -> AsyncIterator[tuple[Deployment, Talk]]:
    """A session with a deployment of the preview."""
    async with deployed() as far:
        given = {"azure_deployment": "d", "azure_endpoint": far.url, "api_key": KEY, **options}
        model = RealtimeModel.with_azure(**{"api_version": VERSION, **given})
        session = model.session()
        try:
            yield far, Talk(None, model, session)  # type: ignore[arg-type]
        finally:
            await session.aclose()


async def answered(talk: Talk) -> Heard:
    """A whole reply."""
    heard = await talk.reply()
    assert isinstance(heard.outcome, Completed), heard
    assert talk.errors == []
    return heard


async def upgrade(model: RealtimeModel, far: Deployment) -> tuple[str, dict[str, str]]:
    """The path and the headers with which a session of the model's is asked for."""
    session = model.session()
    await session.generate_reply()
    await session.aclose()
    return far.paths[-1], far.headers[-1]


def credentials(headers: dict[str, str]) -> dict[str, str]:
    return {name: headers[name] for name in ("authorization", "api-key") if name in headers}


# --- who is asked, and with which key ------------------------------------------------------------


def test_the_upgrade_for_a_plain_model(run: Run) -> None:
    async def main() -> None:
        async with deployed() as far:
            given: dict[str, Any] = {"api_key": KEY, "model": "gpt-realtime-mini"}
            path, headers = await upgrade(RealtimeModel(base_url=f"{far.url}/v1?x=1", **given), far)

        assert path == "/v1/realtime?x=1&model=gpt-realtime-mini"
        assert headers["user-agent"] == "LiveKit Agents"
        assert credentials(headers) == {"authorization": f"Bearer {KEY}"}

    run(main())


def test_a_whole_reply_of_a_deployment_of_today(run: Run) -> None:
    async def main() -> None:
        async with serve(SPOKEN, api_key=KEY) as server:
            endpoint = server.url.removesuffix("/v1").replace("ws://", "http://")
            model = RealtimeModel.with_azure(
                azure_deployment="d", azure_endpoint=endpoint, api_key=KEY
            )
            session = model.session()
            talk = Talk(server, model, session)
            assert (await answered(talk)).text == WORDS
            first = talk.said(SessionUpdate)[0].session
            await session.aclose()

        assert talk.peer.core.settings.config["model"] == "d"
        assert first.type == "realtime"
        assert first.model is UNSET
        assert first.audio.input.transcription.model == "whisper-1"

    run(main())


def test_the_upgrade_for_a_deployment_of_today(run: Run) -> None:
    async def main() -> None:
        async with deployed() as far:
            home = f"{far.url}/openai?api-version=1"
            model = RealtimeModel(azure_deployment="d e", base_url=home, api_key=KEY)
            path, headers = await upgrade(model, far)

        assert path == "/openai/v1/realtime?model=d%20e"
        assert headers["user-agent"] == "LiveKit Agents"
        assert credentials(headers) == {"api-key": KEY}

    run(main())


def test_the_upgrade_for_the_preview(run: Run) -> None:
    async def main() -> None:
        async with calling() as (far, talk):
            path, headers = await upgrade(talk.model, far)

            assert path == f"/openai/realtime?api-version={VERSION}&deployment=d"
            assert credentials(headers) == {"api-key": KEY}
            assert talk.model.provider == far.url.removeprefix("http://")

    run(main())


@pytest.mark.parametrize(
    ("options", "variables", "sent"),
    [
        ({"api_key": KEY}, {}, {"api-key": KEY}),
        ({}, {"AZURE_OPENAI_API_KEY": KEY}, {"api-key": KEY}),
        ({"api_key": ""}, {"AZURE_OPENAI_API_KEY": KEY}, {"api-key": KEY}),
        ({"entra_token": TOKEN}, {}, {"authorization": f"Bearer {TOKEN}"}),
        (
            {"entra_token": TOKEN},
            {"AZURE_OPENAI_API_KEY": KEY},
            {"authorization": f"Bearer {TOKEN}"},
        ),
        (
            {"entra_token": TOKEN, "api_key": KEY},
            {},
            {"authorization": f"Bearer {TOKEN}", "api-key": KEY},
        ),
    ],
)
@pytest.mark.parametrize("made", [RealtimeModel, RealtimeModel.with_azure])
def test_w14_azure_gets_its_own_key_and_never_openais(
    run: Run,
    environment: pytest.MonkeyPatch,
    made: Callable[..., RealtimeModel],
    options: dict[str, Any],
    variables: dict[str, str],
    sent: dict[str, str],
) -> None:
    async def main() -> None:
        async with deployed() as far:
            environment.setenv("AZURE_OPENAI_ENDPOINT", far.url)
            for name, value in variables.items():
                environment.setenv(name, value)
            _, headers = await upgrade(made(azure_deployment="d", **options), far)

        assert credentials(headers) == sent
        assert THEIRS not in str(headers)

    run(main())


@pytest.mark.parametrize(
    "options", [{"azure_deployment": "d"}, {"entra_token": ""}, {"api_version": VERSION}]
)
def test_w14_an_azure_option_without_a_key_of_azures_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="AZURE_OPENAI_API_KEY"):
        RealtimeModel(base_url="https://r.openai.azure.com", **options)


@pytest.mark.parametrize("dot", ["", "."])
@pytest.mark.parametrize("variable", [True, False])
def test_w14_a_plain_model_sends_no_key_of_the_environments_to_azure(
    environment: pytest.MonkeyPatch, variable: bool, dot: str
) -> None:
    home = f"https://R.openai.azure.com{dot}/openai/v1"
    if variable:
        environment.setenv("OPENAI_BASE_URL", home)
    given: dict[str, Any] = {} if variable else {"base_url": home}
    with pytest.raises(ConfigurationError, match=r"with_azure") as raised:
        RealtimeModel(**given)

    assert THEIRS not in str(raised.value)
    assert RealtimeModel(api_key=KEY, **given).provider == f"R.openai.azure.com{dot}"


def test_w15_a_version_in_the_environment_does_not_make_a_plain_model_azures(
    run: Run, environment: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    environment.setenv("OPENAI_API_VERSION", VERSION)

    async def main() -> None:
        async with deployed() as far:
            path, headers = await upgrade(RealtimeModel(base_url=far.url), far)

        assert path == "/realtime?model=gpt-realtime"
        assert credentials(headers) == {"authorization": f"Bearer {THEIRS}"}
        assert "deprecated" not in caplog.text

    run(main())


def test_a_version_in_the_environment_is_azures(
    environment: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    environment.setenv("OPENAI_API_VERSION", VERSION)
    home: dict[str, Any] = {"azure_deployment": "d", "api_key": KEY}

    for model in (
        RealtimeModel.with_azure(azure_endpoint="https://r.openai.azure.com", **home),
        RealtimeModel(base_url="https://r.openai.azure.com", **home),
    ):
        assert model.settings.endpoint.dialect == azure_legacy(VERSION)
    assert caplog.text.count("deprecated") == 2


def test_one_endpoint_is_needed_and_only_one() -> None:
    with pytest.raises(ConfigurationError, match="AZURE_OPENAI_ENDPOINT"):
        RealtimeModel.with_azure(azure_deployment="d", api_key=KEY)
    with pytest.raises(ConfigurationError, match="mutually exclusive"):
        RealtimeModel.with_azure(
            azure_deployment="d", api_key=KEY, azure_endpoint="https://a", base_url="https://b"
        )


def test_no_credential_is_in_a_repr() -> None:
    model = RealtimeModel.with_azure(
        azure_deployment="d", azure_endpoint="https://a", api_key=KEY, entra_token=TOKEN
    )

    for shown in (repr(model), repr(model.settings), repr(model.settings.endpoint)):
        assert KEY not in shown
        assert TOKEN not in shown


# --- what is said of the session -----------------------------------------------------------------


def test_the_defaults_are_azures_and_livekit_may_take_turn_detection_over(run: Run) -> None:
    async def main() -> None:
        async with calling() as (far, talk):
            assert (await answered(talk)).text == "".join(ANSWER)
            assert talk.model.capabilities.can_disable_turn_detection
            assert talk.model.capabilities.turn_detection

        assert far.sessions == [
            {
                "modalities": ["audio", "text"],
                "input_audio_format": "pcm16",
                "output_audio_format": "pcm16",
                "input_audio_transcription": {"model": "whisper-1"},
                "turn_detection": {
                    "type": "server_vad",
                    "threshold": 0.5,
                    "prefix_padding_ms": 300,
                    "silence_duration_ms": 200,
                    "create_response": True,
                },
                "voice": "marin",
                "speed": 1.0,
                "tool_choice": "auto",
                "max_response_output_tokens": "inf",
            }
        ]

    run(main())


@pytest.mark.parametrize("disabled", [True, False])
def test_w13_turn_detection_can_be_switched_off(run: Run, disabled: bool) -> None:
    async def main() -> None:
        async with calling(turn_detection=None) as (far, talk):
            session = talk.model.session(turn_detection_disabled=disabled)
            await session.generate_reply()
            await session.aclose()
            assert not talk.model.capabilities.can_disable_turn_detection

            assert far.sessions[-1]["turn_detection"] is None

    run(main())


def test_w13_what_the_preview_has_no_word_for_is_said_to_have_no_effect(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with calling(truncation="disabled", speed=1.2) as (far, talk):
            assert caplog.text.count("the option truncation has no effect") == 1
            talk.session.update_options(truncation="auto", voice="cedar")
            talk.model.update_options(truncation="auto", voice="ash")
            await answered(talk)
            assert caplog.text.count("the option truncation has no effect") == 3

            assert [session["voice"] for session in far.sessions] == ["marin", "cedar", "ash"]
            assert all("truncation" not in session for session in far.sessions)
            assert far.sessions[0]["speed"] == 1.2

    run(main())


def test_what_else_an_azure_model_takes() -> None:
    model = RealtimeModel.with_azure(
        azure_deployment="d",
        base_url="https://r.openai.azure.com",
        api_key=KEY,
        model="gpt-realtime-mini",
        conn_options=APIConnectOptions(timeout=7.0),
        tool_choice="none",
        truncation="disabled",
        max_response_output_tokens=300,
        busy="fail",
    )

    assert model.model == "gpt-realtime-mini"
    assert model.settings.timeouts.connect == 7.0
    assert model.settings.busy == "fail"
    assert model.settings.config.tool_choice == "none"
    assert model.settings.config.truncation == "disabled"
    assert model.settings.config.max_output_tokens == 300
    patient = Timeouts(gap=33.0)
    given: dict[str, Any] = {"azure_deployment": "d", "api_key": KEY, "azure_endpoint": "https://r"}
    assert RealtimeModel.with_azure(**given, timeouts=patient).settings.timeouts == patient
    given["colour"] = "red"
    with pytest.raises(TypeError, match="colour"):
        RealtimeModel.with_azure(**given)


# --- what is said in the session -----------------------------------------------------------------


def test_a_whole_reply_of_the_preview(run: Run) -> None:
    async def main() -> None:
        async with calling() as (far, talk):
            heard = await talk.reply(instructions="Greet me.", tool_choice="none")

            assert isinstance(heard.outcome, Completed)
            assert heard.text == "".join(ANSWER)
            assert heard.audio_seconds == pytest.approx(SECONDS)
            assert heard.modalities == [["audio", "text"]]
            assert [i.text_content for i in talk.session.chat_ctx.messages()] == ["".join(ANSWER)]
            assert far.said("response.create")[0]["response"]["tool_choice"] == "none"

    run(main())


def test_a_written_reply_of_the_preview(run: Run) -> None:
    async def main() -> None:
        async with calling(modalities=["text"]) as (far, talk):
            heard = await answered(talk)

            assert (heard.text, heard.modalities) == ("".join(ANSWER), [["text"]])
            assert heard.audio_seconds == 0
            assert far.sessions[0]["modalities"] == ["text"]

    run(main())


def test_history_is_told_in_the_previews_words(run: Run) -> None:
    context = llm.ChatContext.empty()
    context.add_message(role="user", content="How are you?")
    context.add_message(role="assistant", content="Very well.")

    async def main() -> None:
        async with calling() as (far, talk):
            await talk.session.update_chat_ctx(context)
            parts = [e["item"]["content"][0] for e in far.said("conversation.item.create")]

            assert [part["type"] for part in parts] == ["input_text", "text"]
            assert [m.text_content for m in talk.session.chat_ctx.messages()] == [
                "How are you?",
                "Very well.",
            ]

    run(main())


def test_what_is_sent_raw_is_told_in_the_previews_words_too(run: Run) -> None:
    async def main() -> None:
        async with calling() as (far, talk):
            session = RealtimeSessionCreateRequest(type="realtime", output_modalities=["text"])
            talk.session.send_event(SessionUpdateEvent(type="session.update", session=session))
            await answered(talk)

            assert far.sessions[-1] == {"modalities": ["text"]}

    run(main())


def test_listeners_see_the_names_of_today(run: Run) -> None:
    async def main() -> None:
        async with calling() as (_, talk):
            names: list[str] = []
            talk.session.on("openai_server_event_received", lambda e: names.append(e["type"]))
            await answered(talk)

            assert "response.output_audio_transcript.delta" in names
            assert "response.output_audio.delta" in names
            assert "conversation.item.added" in names
            assert not {"response.audio.delta", "conversation.item.created"} & set(names)

    run(main())


def test_the_client_alone_speaks_to_azure_as_well(run: Run) -> None:
    async def main() -> None:
        async with deployed() as far:
            dialect = azure_legacy(VERSION)
            given: dict[str, Any] = {"base_url": f"{far.url}/openai", "model": "d", "api_key": KEY}
            async with rejoinder.connect(dialect=dialect, **given) as session:
                config = SessionConfig(output_modalities=["text"])
                assert (await session.update(config)) is not None
                response = session.create_response(output_modalities=["text"])
                assert (await response.outcome()).delivered.text == "".join(ANSWER)
                with pytest.raises(ConfigurationError, match=r"session.truncation .* azure-legacy"):
                    session.update(SessionConfig(truncation="auto"))

        assert far.paths == [f"/openai/realtime?api-version={VERSION}&deployment=d"]
        assert credentials(far.headers[0]) == {"api-key": KEY}
        assert far.sessions == [{"modalities": ["text"]}]

    run(main())


def test_a_dialect_must_be_one() -> None:
    with pytest.raises(ConfigurationError, match="dialect"):
        options.address("https://r", "m", "azure")  # type: ignore[arg-type]
