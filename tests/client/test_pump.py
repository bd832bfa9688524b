"""The pump: callbacks, re-entry, the one timer, a stuck writer, a core that fails."""

from __future__ import annotations

import asyncio
import base64
import contextvars
import logging
from collections.abc import Callable
from typing import Any

import pytest

from rejoinder.client.options import Policy
from rejoinder.client.pump import Pump
from rejoinder.client.response import Response
from rejoinder.client.session import Session
from rejoinder.client.streams import Sink
from rejoinder.client.transport import Transport
from rejoinder.client.waiting import Listeners
from rejoinder.core import effects as ef
from rejoinder.core import inputs as inp
from rejoinder.core import session as core
from rejoinder.core.deadlines import Timeouts
from rejoinder.core.outcomes import Completed, Failed, Lost, Outcome
from rejoinder.core.parts import Part, Text
from rejoinder.errors import ConfigurationError, ResponseFailedError, SessionClosed
from rejoinder.testing import Run
from rejoinder.wire import client_events as ce
from tests.client.peer import MORTAL, conversation, take_all, until

SPAN: contextvars.ContextVar[str] = contextvars.ContextVar("span", default="none")


class Notes:
    """A sink that writes down what it is told, and does what it is asked to at each call."""

    def __init__(self, then: Callable[[str], Any] | None = None) -> None:
        self.seen: list[Any] = []
        self.then = then

    def note(self, what: Any) -> None:
        self.seen.append(what)
        if self.then is not None:
            self.then(type(what).__name__)

    def opened(self, response_id: str) -> None:
        self.note(response_id)

    def feed(self, part: Part) -> None:
        self.note(part)

    def settle(self, outcome: Outcome) -> None:
        self.note(outcome)


def test_a_sink_is_told_everything_in_order(run: Run) -> None:
    async def main() -> None:
        async with conversation() as (session, peer):
            sink = Notes()
            response = session.create_response(sink=sink)
            await peer.answer("r1")
            outcome = await response.outcome()
            kinds = [type(each).__name__ for each in sink.seen]
            assert kinds == ["str", "ContentStarted", "Text", "Completed"]
            assert (sink.seen[0], sink.seen[-1]) == ("r1", outcome)
            with pytest.raises(ConfigurationError, match="sink of its own"):
                aiter(response)
            with pytest.raises(ConfigurationError, match="sink of its own"):
                await anext(response)

    run(main())


@pytest.mark.parametrize(
    "error",
    [ValueError("x"), TypeError("x"), KeyError(), asyncio.CancelledError(), StopIteration()],
)
def test_a_sink_that_raises_harms_nobody(
    run: Run, caplog: pytest.LogCaptureFixture, error: BaseException
) -> None:
    def fail(_: Any) -> None:
        raise error

    async def main() -> None:
        async with conversation() as (session, peer):
            broken = session.create_response(sink=Notes(fail))
            await peer.answer("r1")
            assert isinstance(await broken.outcome(), Completed)
            whole = session.create_response()
            await peer.answer("r2")
            assert [p.text async for p in whole if isinstance(p, Text)] == ["Hello"]

    run(main())
    assert [record.levelname for record in caplog.records] == ["ERROR"] * 4
    assert "a callback of the application raised" in caplog.text


def test_callbacks_that_raise_harm_nobody(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    def fail(*_: Any) -> Any:
        raise RuntimeError("mine")

    async def main() -> None:
        async with conversation(
            on_notice=fail, on_response=fail, on_event_in=fail, on_event_out=fail, journal=fail
        ) as (session, peer):
            await peer.created("s1")
            await peer.done("s1")
            response = session.create_response()
            await peer.answer("r1")
            assert isinstance(await response.outcome(), Completed)

    run(main())
    assert caplog.text.count("RuntimeError: mine") > 5


def test_a_sink_may_call_back_and_that_takes_its_turn_after_the_step(run: Run) -> None:
    async def main() -> None:
        async with conversation() as (session, peer):
            order: list[str] = []
            started: list[Response] = []

            def then(what: str) -> None:
                order.append(what)
                if what == "Text":
                    session.append_audio(b"\0\0")
                    session.cancel()
                elif what == "Completed":
                    started.append(session.create_response(instructions="again"))
                    order.append("asked")

            session.create_response(sink=Notes(then))
            await peer.answer("r1")
            await peer.hear("input_audio_buffer.append")
            await peer.answer("r2")
            assert isinstance(await started[0].outcome(), Completed)
            assert order == ["str", "ContentStarted", "Text", "Completed", "asked"]

    run(main())


def test_asking_again_from_a_settle_at_the_end_is_refused_not_repeated(run: Run) -> None:
    async def main() -> None:
        refused: list[SessionClosed] = []
        async with conversation(recovery=MORTAL) as (session, peer):

            def then(what: str) -> None:
                if what == "Lost":
                    with pytest.raises(SessionClosed) as caught:
                        session.create_response()
                    refused.append(caught.value)

            session.create_response(sink=Notes(then))
            await peer.begin("r1")
            peer.transport.cut()
            await until(lambda: bool(refused))

    run(main())


def test_responses_of_the_server_go_to_the_sink_that_on_response_returns(run: Run) -> None:
    async def main() -> None:
        sink, met = Notes(), list[Response]()

        def choose(response: Response) -> Sink | None:
            met.append(response)
            return sink if response.id == "r1" else None

        async with conversation(on_response=choose) as (session, peer):
            for name in ("r1", "r2"):
                await peer.created(name)
                await peer.text(name, name)
                await peer.done(name)
            await until(lambda: len(met) == 2 and met[1].result is not None)
            assert [type(each).__name__ for each in sink.seen] == [
                "str",
                "ContentStarted",
                "Text",
                "Completed",
            ]
            assert isinstance(met[1].result, Completed)
        assert [each async for each in session.responses()] == []

    run(main())


@pytest.mark.parametrize("name", ["on_notice", "on_response", "journal", "on_event_in"])
def test_a_callback_that_would_have_to_be_awaited_is_refused(run: Run, name: str) -> None:
    async def later(*_: Any) -> None:
        raise AssertionError("never called")

    async def main() -> None:
        for wrong in (later, 7):
            with pytest.raises(ConfigurationError, match=f"{name} must be a plain function"):
                Session.start(api_key="k", **{name: wrong})  # type: ignore[arg-type]

    run(main())


def test_taps_see_each_event_beside_its_bytes(run: Run) -> None:
    async def main() -> None:
        told: list[tuple[str, str]] = []
        heard: list[tuple[str, str]] = []
        async with conversation(
            on_event_in=lambda raw, event: told.append((raw[:9], type(event).__name__)),
            on_event_out=lambda event, raw: heard.append((type(event).__name__, raw.decode()[:9])),
        ) as (session, peer):
            session.clear_audio()
            await peer.transport.send("not JSON")
            await peer.say("x.y")
            await until(lambda: len(told) == 3)
        assert told == [
            ('{"type":"', "SessionCreated"),
            ("not JSON", "MalformedFrame"),
            ('{"type":"', "UnknownEvent"),
        ]
        assert heard == [("InputAudioBufferClear", '{"type":"')]

    run(main())


@pytest.mark.parametrize("form", [str, bytes])
def test_a_frame_that_a_tap_returns_takes_the_place_of_the_event(run: Run, form: type) -> None:
    def louder(raw: str, event: object) -> str | bytes | None:
        return raw.replace("Hello", "HELLO") if "Hello" in raw else None

    def politely(event: object, raw: bytes) -> object:
        other = raw.replace(b"Greet.", b"Greet, please.")
        return (other if form is bytes else other.decode()) if b"Greet." in raw else event

    async def main() -> None:
        async with conversation(on_event_in=louder, on_event_out=politely) as (session, peer):
            session.clear_audio()
            assert (await peer.hear())["type"] == "input_audio_buffer.clear"
            response = session.create_response(instructions="Greet.")
            asked = await peer.hear("response.create")
            assert asked["response"]["instructions"] == "Greet, please."
            await peer.created("r1", metadata=asked["response"]["metadata"])
            await peer.text("r1", "Hello")
            await peer.done("r1")
            assert (await response.outcome()).delivered.text == "HELLO"

    run(main())


def test_shell_tasks_and_timers_start_in_an_empty_context(run: Run) -> None:
    async def main() -> None:
        spans: list[str] = []
        SPAN.set("of the caller")
        async with conversation(on_notice=lambda _: spans.append(SPAN.get())) as (session, peer):
            note = Notes(lambda _: spans.append(SPAN.get()))
            await session.create_response(sink=note).outcome()
            await peer.say("x.y")
            await until(lambda: len(spans) >= 3)
            assert set(spans) == {"none"}
        SPAN.set("none")

    run(main())


def test_a_response_that_nobody_reads_is_given_up_when_its_stream_is_full(run: Run) -> None:
    async def main() -> None:
        async with conversation() as (session, peer):
            response = session.create_response()
            await peer.begin("r1")
            for _ in range(5):
                await peer.text("r1", "x" * 4_000_000)
            outcome = await response.outcome()
            assert isinstance(outcome, Failed)
            assert (outcome.error.type, outcome.error.code) == ("client", "overflow")
            assert (await peer.hear("response.cancel"))["response_id"] == "r1"
            parts: list[Part] = []
            with pytest.raises(ResponseFailedError, match="more than 64 MiB"):
                await take_all(response, parts)
            assert sum(isinstance(part, Text) for part in parts) == 4

    run(main())


class Stubborn(core.Session):
    """A core whose deadline stays due, whatever the clock says."""

    def __init__(self, when: float) -> None:
        super().__init__()
        self.when = when
        self.steps: list[tuple[float, inp.Input]] = []

    def step(self, now: float, given: inp.Input) -> list[ef.Effect]:
        self.steps.append((now, given))
        return super().step(now, given)

    def next_deadline(self) -> float | None:
        return self.when


def pump_of(given: core.Session) -> Pump:
    return Pump(given, Timeouts(), Listeners())


def test_a_deadline_that_stays_due_does_not_make_the_loop_spin(run: Run) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        given = Stubborn(loop.time() + 1.0)
        pump = pump_of(given)
        pump.step(inp.Cancel(()))
        ends_at = loop.time() + 1.1
        await asyncio.sleep(ends_at - loop.time())
        ticks = [now for now, what in given.steps if isinstance(what, inp.Tick)]
        assert 50 < len(ticks) < 150
        assert ticks == sorted(ticks)
        assert ticks[0] >= given.when
        pump.step(inp.Shut())
        await pump.links.over.wait()

    run(main())


def test_a_deadline_that_moves_later_costs_one_wake_up_and_no_step(run: Run) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        given = Stubborn(loop.time() + 1.0)
        pump = pump_of(given)
        pump.step(inp.Cancel(()))
        given.when += 4.0
        pump.step(inp.Cancel(()))
        rest = 2.0
        await asyncio.sleep(rest)
        assert not any(isinstance(what, inp.Tick) for _, what in given.steps)
        await asyncio.sleep(rest * 2)
        [first, *_] = [now for now, what in given.steps if isinstance(what, inp.Tick)]
        assert first == pytest.approx(given.when)
        pump.step(inp.Shut())
        await pump.links.over.wait()

    run(main())


class Broken(core.Session):
    """A core with a bug."""

    def step(self, now: float, given: inp.Input) -> list[ef.Effect]:
        if isinstance(given, inp.Append):
            raise ZeroDivisionError("a bug")
        return super().step(now, given)


def test_a_core_that_fails_settles_all_that_waits(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        pump = pump_of(Broken())
        session = Session(pump, policy=Policy(waits=True, retries=0), sample_bytes=2)
        response, edit = session.create_response(), session.delete_item("i1")
        session.append_audio(b"\0\0")
        outcome = await response.outcome()
        assert isinstance(outcome, Lost)
        assert "internal error" in outcome.describe()
        assert isinstance(edit.result, ef.Gone)
        assert isinstance([notice async for notice in session.notices()][-1], ef.Ended)
        with pytest.raises(SessionClosed, match="internal error"):
            session.create_response()
        await session.aclose()

    run(main())
    assert "the core failed on Append: this is a bug" in caplog.text
    assert logging.getLogger("rejoinder").name == caplog.records[0].name


async def never(within: float) -> Transport:
    """Nobody answers, however long one waits."""
    await asyncio.Event().wait()
    raise AssertionError("nothing sets it")


class Unable(core.Session):
    """A core with another bug: what it wants sent cannot be."""

    def step(self, now: float, given: inp.Input) -> list[ef.Effect]:
        unsendable = ef.Send(ce.SessionUpdate(session=object()))  # type: ignore[arg-type]
        return [unsendable, *super().step(now, given)]


def test_an_effect_that_cannot_be_carried_out_does_not_keep_the_others_from_it(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        pump = pump_of(Unable())
        pump.start(never)
        session = Session(pump, policy=Policy(waits=True, retries=0), sample_bytes=2)
        response = session.create_response()
        await session.aclose()
        assert isinstance(response.result, Lost)

    run(main())
    assert "Send was not carried out: this is a bug" in caplog.text


def test_what_an_interrupted_step_left_over_goes_before_what_follows(run: Run) -> None:
    async def main() -> None:
        async with conversation() as (session, peer):

            def interrupts(_event: object, _frame: object) -> None:
                session.tap()
                session.append_audio(b"11")
                raise KeyboardInterrupt

            session.tap(on_event_out=interrupts)
            with pytest.raises(KeyboardInterrupt):
                session.clear_audio()
            session.append_audio(b"22")
            heard = [base64.b64decode((await peer.hear())["audio"]) for _ in range(2)]
            assert heard == [b"11", b"22"]

    run(main())


def test_an_id_that_was_anothers_is_withdrawn(run: Run) -> None:
    async def main() -> None:
        sink = Notes()
        async with conversation() as (session, peer):
            response = session.create_response(sink=sink)
            asked = await peer.hear("response.create")
            await peer.created("theirs")
            await until(lambda: response.id == "theirs")
            error = {
                "code": "conversation_already_has_active_response",
                "message": "busy",
                "event_id": asked["event_id"],
            }
            await peer.say("error", error=error)
            server_own = await anext(session.responses())
            assert (server_own.id, server_own.asked, response.id) == ("theirs", False, None)
            assert server_own != response
            assert {server_own, response} == set(session.live)
            await peer.done("theirs")
            await peer.answer("ours")
            assert isinstance(await response.outcome(), Completed)
            assert [each for each in sink.seen if isinstance(each, str)] == ["theirs", "ours"]

    run(main())
