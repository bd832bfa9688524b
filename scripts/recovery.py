"""The generated parts of `docs/recovery.md`: what the core decides, asked of the core itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rejoinder.conformance.markdown import table
from rejoinder.core import phases, renditions
from rejoinder.core.blame import FATAL
from rejoinder.core.conversation import Conversation
from rejoinder.core.deadlines import Timeouts
from rejoinder.core.lifecycle import State
from rejoinder.core.lifecycle import drawn as lifecycle
from rejoinder.core.outcomes import FINAL_CLOSE_CODES, Close
from rejoinder.core.phases import TABLE, Phase
from rejoinder.core.recovery import FINAL_STATUS, Outage, Recovery
from rejoinder.wire.items import ContentPart, Item
from rejoinder.wire.response import ErrorBody

_RECOVERY = {
    "attempts": "how often in a row a connection is tried again; 0: a lost connection is the end",
    "pause": "from the first attempt to the second; doubled with each further one, shortened by lot",
    "give_up": "how long the session may be without a connection",
    "healthy": "how long a connection must serve before the next loss counts as the first again",
    "renew_after": "the age at which a connection is replaced; `None`: never for its age",
    "renew_before": "so long before the end that the server announced (or half of its life, if that is less)",
    "keep_audio": "how much silence of the microphone is kept while there is no connection",
}
_TIMEOUTS = {
    "connect": "an attempt, until the server has said something that is no error",
    "heartbeat": "silence before a ping, half as long again for the answer; and a frame, until it is taken",
    "created": "a request, until `response.created`",
    "offline": "a request, until there is a connection",
    "edit": "an edit, until it is answered",
    "close": "a connection, until it is closed, whatever the peer does",
}
_STATES = {
    State.QUEUED: "asked for, not sent",
    State.REQUESTED: "sent, and nothing came",
    State.ACTIVE: "begun, perhaps speaking",
    State.CANCELLING: "cancelled, the server's word is awaited",
    State.ORPHANED: "given up before it began",
    State.DRAINING: "given up while it spoke",
}


def diagram() -> str:
    """The life of a session's connections."""
    return f"```mermaid\n{phases.drawn()}\n```"


def stations() -> str:
    """The phases, and what comes after each."""
    return table(["phase", "what there is", "what comes next"], _stations())


def _stations() -> Iterator[list[str]]:
    for phase in Phase:
        nexts = (f"{after.name}: {why}" for after, why in TABLE[phase].items())
        yield [f"**{phase.name}**", phase.value, "<br>".join(nexts)]


def noticing() -> str:
    """By what a loss is noticed, and how soon."""
    clocks = Timeouts()
    silence = clocks.heartbeat * 1.5  # as `client.heartbeat` says
    soon = [
        ["the socket is closed or reset", "at once"],
        [
            "nothing comes any more (half-open)",
            f"within {silence:g} s (`heartbeat`, and half of it)",
        ],
        ["nothing comes since a response was asked for", f"{clocks.created:g} s (`created`)"],
        ["the server takes nothing of what is sent", f"{clocks.heartbeat:g} s (`heartbeat`)"],
        ["`session_expired`, even if the socket stays open", "at once"],
        [
            "an attempt hangs, wherever in the handshake",
            f"{clocks.connect:g} s at most (`connect`)",
        ],
    ]
    return table(["what", "how soon"], soon)


def refusals() -> str:
    """Which refusals are final."""
    final = [
        ["HTTP status of the upgrade", _joined(sorted(FINAL_STATUS))],
        ["close code", _joined(sorted(FINAL_CLOSE_CODES))],
        [
            "code or type of an `error`, of a failed response, or in a close reason",
            _joined(f"`{code}`" for code in sorted(FATAL)),
        ],
    ]
    return table(["where", "final"], final)


def attempts() -> str:
    """The moments of the attempts by default."""
    policy, clocks = Recovery(), Timeouts()
    soonest = list(_moments(policy, clocks, lot=0.0, hangs=False))
    latest = list(_moments(policy, clocks, lot=1.0, hangs=True))
    lines = [
        [str(number), _span(first[0], last[0]), _span(first[1], last[1])]
        for number, (first, last) in enumerate(zip(soonest, latest, strict=True), 1)
    ]
    return table(["attempt", "seconds after the loss", "may take, in seconds"], lines)


def _moments(
    policy: Recovery, clocks: Timeouts, *, lot: float, hangs: bool
) -> Iterator[tuple[float, float]]:
    """When each attempt is made after a loss, and how long it may take, if none succeeds."""
    outage = Outage(policy, lot=lot)
    outage.began(0.0, Close("network"))
    now = 0.0
    while (at := outage.again_at(now, None)) is not None:
        within = outage.dialled(at, clocks.connect)
        yield at, within
        now = at + within if hangs else at


def _span(one: float, other: float) -> str:
    low, high = f"{min(one, other):.3g}", f"{max(one, other):.3g}"
    return low if low == high else f"{low} to {high}"


def flight() -> str:
    """What becomes of responses, by state: the row LOST of the lifecycle."""
    head, *rows = ([cell.strip() for cell in line.split("|")] for line in lifecycle().splitlines())
    lost = dict(zip(head, next(row for row in rows if row[1] == "**LOST**"), strict=True))
    lines = [[state.name, words, lost[state.name]] for state, words in _STATES.items()]
    return table(["state", "which is", "at the loss"], lines)


def items() -> str:
    """What a new server is told of each kind of item, as the core puts it."""
    return table(["item", "the new server is told"], _items())


def _items() -> Iterator[list[str]]:
    sound = {"spoken": b"\0\0"}
    for words, item, audio in _samples(sound):
        conversation = Conversation(order=[item.id or ""], by_id={item.id or "": item})
        if item.id == "cut":
            conversation.heard["cut"] = "We are open"
        yield [words, _told(renditions.told(item, conversation, audio))]


def _samples(sound: Mapping[str, bytes]) -> Iterator[tuple[str, Item, Mapping[str, bytes]]]:
    unheard = ContentPart(type="input_audio")
    spoken = ContentPart(type="input_audio", transcript="Are you open?")
    image = ContentPart(type="input_image", image_url="data:image/png;base64,")
    silent = ContentPart(type="output_audio")
    said = ContentPart(type="output_audio", transcript="We are open from nine to six.")
    yield "what the user wrote", _message("user", _text("input_text")), {}
    yield "what the user said, transcribed", _message("user", spoken), {}
    yield "what the user said, not transcribed yet", _message("user", unheard, "spoken"), sound
    yield "the same, where its audio is not kept any more", _message("user", unheard), {}
    yield "an image", _message("user", image), {}
    yield "instructions in the conversation", _message("system", _text("input_text")), {}
    yield "what the assistant said", _message("assistant", said), {}
    yield "the same, cut short by the user or by a loss", _message("assistant", said, "cut"), {}
    yield "the same, if it has not said anything", _message("assistant", silent), {}
    yield "what the assistant wrote", _message("assistant", _text("output_text")), {}
    yield "a function call", _call("completed"), {}
    yield "a function call that had not come to its end", _call("in_progress"), {}
    for kind, words in (
        ("function_call_output", "what a function returned"),
        ("mcp_approval_response", "an approval of a hosted call"),
        ("mcp_approval_request", "the question for it"),
        ("mcp_list_tools", "a listing of hosted tools"),
        ("mcp_call", "a hosted call"),
    ):
        yield words, Item(type=kind, id="i"), {}


def _text(kind: str) -> ContentPart:
    return ContentPart(type=kind, text="Good morning.")


def _message(role: str, part: ContentPart, item_id: str = "i") -> Item:
    return Item(type="message", id=item_id, role=role, content=[part])


def _call(status: str) -> Item:
    return Item(type="function_call", id="i", call_id="c", name="f", arguments="{}", status=status)


def _told(rendition: Item | ErrorBody) -> str:
    if isinstance(rendition, ErrorBody) and not renditions.missed(rendition):
        return f"nothing: {rendition.message}"
    if isinstance(rendition, ErrorBody):
        return f"nothing, and it is reported: {rendition.message}"
    if rendition.type != "message":
        return f"`{rendition.type}`, as it is"
    return f"`{rendition.role}` message of {', '.join(map(_part, rendition.content or ()))}"


def _part(part: ContentPart) -> str:
    words = part.text or part.transcript
    return f'`{part.type}`: "{words}"' if words else f"`{part.type}`"


def policy() -> str:
    """Every option of `Recovery`, with its default."""
    return table(["`Recovery`", "default", ""], _options(Recovery(), _RECOVERY))


def clocks() -> str:
    """The clocks of `Timeouts` that connections have to do with."""
    return table(["`Timeouts`", "seconds", "bounds"], _options(Timeouts(), _TIMEOUTS))


def _options(record: Recovery | Timeouts, words: Mapping[str, str]) -> Iterator[list[str]]:
    names = record.__struct_fields__ if isinstance(record, Recovery) else words
    for name in names:
        yield [f"`{name}`", f"{getattr(record, name):g}", words[name]]


def _joined(each: Iterator[str] | list[int]) -> str:
    return ", ".join(map(str, each))
