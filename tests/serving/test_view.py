"""What is shown: a row for each event, deltas joined, nothing that moves the cursor, no key."""

from __future__ import annotations

import io

import msgspec
import pytest
from rich.console import Console

from rejoinder.server import reading
from rejoinder.server.effects import Abort, Effect, Framing, Hangup, Ping, Send, SendFramed, SendRaw
from rejoinder.server.sights import Heard, Joined, Left, Refused, Sight, Struck, Told
from rejoinder.serving.view import Row, View, drawn
from rejoinder.wire import client_events as client
from rejoinder.wire import server_events as events
from rejoinder.wire.codec import decode_server
from rejoinder.wire.response import ErrorBody
from tests.server.desk import base64_of

AUDIO = {"response_id": "resp_1", "item_id": "item_1", "output_index": 0, "content_index": 0}


def heard(**event: object) -> Sight:
    return Heard(reading.read(msgspec.json.encode(event).decode()))


def told(**event: object) -> Sight:
    event_of = decode_server(msgspec.json.encode(event).decode())
    return Told(Send(event_of))


def sound(ms: int = 100) -> Sight:
    return told(type="response.output_audio.delta", delta=base64_of(bytes(48 * ms)), **AUDIO)


def word(delta: str) -> Sight:
    return told(type="response.output_audio_transcript.delta", delta=delta, **AUDIO)


def shown(*sights: Sight) -> list[str]:
    """The rows of what happened, a tenth of a second apart, on connection 1."""
    view, rows = View(), list[Row]()
    for at, sight in enumerate(sights):
        rows += view.take(at / 10, 1, sight)
    rows += view.end()
    return [f"{row.mark} {row.name}|{row.gist}" for row in rows]


RESPONSE = {"id": "resp_1", "status": "completed", "metadata": {"k": "v"}}
FAILED = {
    "id": "resp_1",
    "status": "failed",
    "status_details": {"type": "failed", "error": {"code": "oops", "message": "It broke."}},
}
CUT = {
    "id": "resp_1",
    "status": "incomplete",
    "status_details": {"type": "incomplete", "reason": "content_filter"},
}
CALL = {"type": "function_call", "id": "item_1", "name": "f", "arguments": "{}", "call_id": "c"}
OUTPUT = {"type": "function_call_output", "id": "item_1", "output": "sun", "call_id": "c"}
SAID = {
    "type": "message",
    "id": "item_1",
    "role": "user",
    "content": [{"type": "input_audio"}, {"type": "input_text", "text": "and text"}],
}
SESSION = {"id": "sess_1", "model": "gpt-realtime", "audio": {"input": {"turn_detection": None}}}


@pytest.mark.parametrize(
    ("sight", "row"),
    [
        (Joined("gpt-realtime", "realtime"), "== connected|gpt-realtime"),
        (Joined("", "transcription"), "== connected|transcription"),
        (Refused(503, "full"), "== turned away|503  full"),
        (Left(1000, "bye"), "== closed|1000  bye"),
        (Left(1006), "== closed|1006"),
        (Struck("abort", "response.done"), "!! abort|strikes at response.done"),
        (Told(Ping()), "-> (ping)|"),
        (Told(Hangup(1001, "server shutdown")), "-> (close)|1001  server shutdown"),
        (Told(Abort()), "-> (connection torn)|no close frame"),
        (Told(SendRaw(b"\x00\x01")), "-> (binary frame)|2 bytes"),
        (
            Told(SendFramed(events.InputAudioBufferCleared(), Framing.HALF)),
            "-> input_audio_buffer.cleared|(half of a frame)",
        ),
        (Told(SendRaw('{"type":"x"}')), '-> x|{"type":"x"}'),
        (Told(SendRaw('{"type":7}')), '-> (raw frame)|{"type":7}'),
        (Told(SendRaw("[1]")), "-> (raw frame)|[1]"),
        (Told(SendRaw("{oops\x1b[2J\n")), "-> (raw frame)|{oops\\x1b[2J\\n"),
        (heard(type="response.create"), "<- response.create|"),
        (
            heard(
                type="response.create",
                response={"conversation": "none", "instructions": "Greet.", "metadata": {"k": "v"}},
            ),
            '<- response.create|out of band  "Greet."  k=v',
        ),
        (heard(type="response.cancel", response_id="r"), "<- response.cancel|r"),
        (heard(type="response.cancel"), "<- response.cancel|"),
        (heard(type="input_audio_buffer.commit"), "<- input_audio_buffer.commit|"),
        (
            heard(type="conversation.item.create", item=OUTPUT),
            '<- conversation.item.create|item_1  output  c  "sun"',
        ),
        (
            heard(type="conversation.item.truncate", item_id="i", content_index=0, audio_end_ms=5),
            "<- conversation.item.truncate|at 5 ms  i",
        ),
        (
            heard(
                type="session.update",
                session={"instructions": "x", "audio": {"input": {"turn_detection": None}}},
            ),
            "<- session.update|instructions, audio.input.turn_detection",
        ),
        (heard(type="nonsense"), "<- (refused)|invalid_value  Invalid value: 'nonsense'."),
        (told(type="session.created", session=SESSION), "-> session.created|sess_1  gpt-realtime"),
        (told(type="session.updated", session={}), "-> session.updated|no turn detection"),
        (told(type="response.created", response=RESPONSE), "-> response.created|resp_1  k=v"),
        (told(type="response.done", response=RESPONSE), "-> response.done|resp_1  completed  k=v"),
        (
            told(type="response.done", response=FAILED),
            "-> response.done|resp_1  failed  oops  It broke.",
        ),
        (
            told(type="response.done", response=CUT),
            "-> response.done|resp_1  incomplete  content_filter",
        ),
        (
            told(type="error", error={"code": "c", "message": "m", "event_id": "e"}),
            "-> error|c  m  caused by e",
        ),
        (told(type="error", error={"type": "t"}), "-> error|t"),
        (told(type="conversation.item.done", item=CALL), "-> conversation.item.done|item_1  f({})"),
        (
            told(type="conversation.item.added", item=SAID),
            '-> conversation.item.added|item_1  user  "[input_audio] and text"',
        ),
        (
            told(
                type="rate_limits.updated",
                rate_limits=[{"name": "tokens", "remaining": 7}, {"name": "requests"}],
            ),
            "-> rate_limits.updated|7 tokens left",
        ),
        (
            told(type="input_audio_buffer.speech_started", audio_start_ms=40, item_id="i"),
            "-> input_audio_buffer.speech_started|at 40 ms  i",
        ),
        (told(type="input_audio_buffer.cleared"), "-> input_audio_buffer.cleared|"),
        (told(type="response.mood", mood="x"), "-> response.mood|"),
    ],
)
def test_the_gist_of_each(sight: Sight, row: str) -> None:
    (line,) = shown(sight)
    assert line.startswith(row)


def test_deltas_are_joined_until_something_else_happens() -> None:
    done = told(type="response.output_audio.done", **AUDIO)
    assert shown(word("From"), sound(), word(" nine"), sound(), sound(50), done, sound()) == [
        '-> response.output_audio_transcript.delta x2|"From nine"',
        "-> response.output_audio.delta x3|0.2 s",
        "-> response.output_audio.done|item_1  resp_1",
        "-> response.output_audio.delta|0.1 s",
    ]


def test_a_long_run_of_deltas_is_shown_once_a_second() -> None:
    rows = shown(*[sound()] * 25)
    assert rows == [
        "-> response.output_audio.delta x11|1.1 s",
        "-> response.output_audio.delta x11|1.1 s",
        "-> response.output_audio.delta x3|0.3 s",
    ]


def test_deltas_that_nothing_follows_are_shown_in_time() -> None:
    view = View()
    assert view.take(5.0, 1, sound()) == []
    assert view.tick(5.9) == []
    assert view.tick(6.0) == [Row(5.0, 1, "->", "response.output_audio.delta", "0.1 s")]
    assert view.tick(9.0) == []


def test_each_connection_is_counted_for_itself() -> None:
    view = View()
    view.take(0.0, 1, sound())
    view.take(0.0, 2, sound())
    (first, left) = view.take(0.1, 1, Left(1000))
    assert (first.number, left.number) == (1, 1)
    assert [row.number for row in view.end()] == [2]


def test_audio_is_measured_in_the_format_of_the_session() -> None:
    g711 = {"format": {"type": "audio/pcmu"}}
    session = {"id": "s", "audio": {"input": g711, "output": g711}}
    append = heard(type="input_audio_buffer.append", audio=base64_of(bytes(8000)))
    rows = shown(told(type="session.updated", session=session), append, sound())
    assert rows[1:] == [
        "<- input_audio_buffer.append|1.0 s",
        "-> response.output_audio.delta|0.6 s",
    ]


def test_words_that_are_long_or_would_move_the_cursor_are_harmless() -> None:
    (row,) = shown(told(type="response.output_text.done", text="\x1b[2J" + "x" * 99, **AUDIO))
    assert row == f'-> response.output_text.done|item_1  "\\x1b[2J{"x" * 62}..."'


def test_ids_are_somebodys_words_too() -> None:
    item = {"type": "message", "id": "\x1b[2J", "role": "user", "content": []}
    rows = shown(
        heard(type="conversation.item.create", item=item),
        heard(type="conversation.item.delete", item_id="\x07" * 999),
        told(type="conversation.item.added", item=item),
        told(type="\x1b[2J"),
    )
    assert "".join(rows).isprintable()
    assert max(map(len, rows)) < 400


def test_a_format_that_is_none_is_taken_for_the_usual_one() -> None:
    for form in ({}, {"type": None}, {"type": "audio/pcm", "rate": None}, None):
        session = {"audio": {"output": {"format": form}}}
        assert shown(told(type="session.updated", session=session), sound())[1:] == [
            "-> response.output_audio.delta|0.1 s"
        ]


def test_the_credentials_of_a_tool_are_not_shown() -> None:
    tool = {"type": "mcp", "server_label": "s", "authorization": "sk-secret"}
    rows = shown(
        heard(type="session.update", session={"tools": [tool]}),
        heard(type="response.create", response={"tools": [tool]}),
        told(type="session.updated", session={"tools": [tool]}),
    )
    assert "sk-secret" not in "".join(rows)


@pytest.mark.parametrize(
    ("effect", "style"),
    [
        (Send(events.Error(error=ErrorBody())), "31m"),
        (Ping(), "2m"),
        (Send(events.InputAudioBufferCleared()), "-> input"),
    ],
)
def test_what_is_wrong_is_red_and_what_is_dull_is_dim(effect: Effect, style: str) -> None:
    (row,) = View().take(0.0, 1, Told(effect))
    assert style in coloured(row)


def test_a_fault_has_a_colour_of_its_own_and_plain_text_has_none() -> None:
    row = Row(0.0, 3, "!!", "abort", "strikes at response.done")
    assert "35m" in coloured(row)
    assert drawn(row, "12:00:00").plain == "12:00:00 #3 !! abort  strikes at response.done"
    assert drawn(Row(0.0, 0, "==", "turned away"), "12:00").plain == "12:00    == turned away"


def coloured(row: Row) -> str:
    screen = io.StringIO()
    Console(file=screen, force_terminal=True, color_system="standard").print(drawn(row, ""))
    return screen.getvalue()


def test_every_event_of_the_client_has_a_row() -> None:
    for event in (client.OutputAudioBufferClear(), client.InputAudioBufferClear()):
        (row,) = View().take(0.0, 1, Heard(event))
        assert row.name.endswith("_buffer.clear")
