"""Scripts: what the server hears and what it answers, as plain data.

::

    Script(
        Turn("What time is it?", Speech("It is noon.")),
        Turn("Will it rain in Lisbon?", Call("look_up_weather", {"city": "Lisbon"})),
        Turn(after_tool("look_up_weather"), Speech("No, it stays dry.")),
    )

The server recognises no speech: when the user has spoken, the script says what it was.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import msgspec

from rejoinder.wire.items import Item, ItemError
from rejoinder.wire.response import ErrorBody

PACE = 10.0
"""How much faster than it plays audio is sent unless a line says otherwise."""

_MOST_ECHOED = 200
"""Characters: a client that types a book is not told all of it."""


class Speech(msgspec.Struct, frozen=True):
    """A spoken line. In a response of modality ``text`` its transcript is written instead.

    ``audio``: 24 kHz mono PCM16; None hums for as long as the words would take, a minute at most.
    ``pace``: how much faster than it plays it is sent; 1 is real time. ``lasting``: seconds of humming,
    if not as long as the words.
    """

    transcript: str
    audio: bytes | None = None
    pace: float = PACE
    lasting: float | None = None


class Text(msgspec.Struct, frozen=True):
    """A written line, in any modality."""

    text: str


class Call(msgspec.Struct, frozen=True):
    """A function call. ``arguments`` as an object, or as the very text to send."""

    name: str
    arguments: dict[str, Any] | str = {}
    call_id: str | None = None


class McpCall(msgspec.Struct, frozen=True):
    """A tool of an MCP server, called and run by the server itself; the response goes on after it.

    ``output`` is what comes of it, unless ``error`` says what went wrong. ``lasting``: seconds that it
    runs. The rest as in `Call`.
    """

    server_label: str
    name: str
    arguments: dict[str, Any] | str = {}
    output: str = ""
    error: ItemError | None = None
    lasting: float = 0.1


class AskApproval(msgspec.Struct, frozen=True):
    """The server asks whether it may call a tool; the client answers with an item (`after_approval`)."""

    server_label: str
    name: str
    arguments: dict[str, Any] | str = {}


class Pause(msgspec.Struct, frozen=True):
    """Nothing for so many seconds."""

    seconds: float


class Stop(msgspec.Struct, frozen=True):
    """The response ends here, otherwise than completed; what is open is closed incomplete.

    ``status`` is ``incomplete`` (``reason``: ``max_output_tokens``, ``content_filter``) or ``failed``
    (with ``error``).
    """

    status: str = "incomplete"
    reason: str | None = None
    error: ErrorBody | None = None


class Refuse(msgspec.Struct, frozen=True):
    """`response.create` is answered with this error, and no response ever exists."""

    code: str
    message: str


Output: TypeAlias = Speech | Text | Call | McpCall | AskApproval | Pause | Stop
Reply: TypeAlias = Refuse | tuple[Output, ...]


class Prompt(msgspec.Struct, frozen=True):
    """What a response is asked to answer.

    ``kind`` says what the context ends with: ``speech``, ``text``, ``tool``, ``approval`` or
    ``nothing``. ``text`` are the user's last words, spoken or typed. ``tool_outputs``: output by function name, of the
    calls answered since then. ``number`` counts the responses of this connection from 1.
    """

    kind: str
    text: str
    number: int
    items: tuple[Item, ...] = ()
    tool_outputs: dict[str, str] = {}
    instructions: str = ""
    metadata: dict[str, str] = {}
    out_of_band: bool = False


Condition: TypeAlias = Callable[[Prompt], bool]
Answer: TypeAlias = Callable[[Prompt], Reply]


class Turn:
    """One reply, and what it is the reply to.

    ``asked`` as text is what the user says (and so the transcript of a spoken turn), or types: a
    typed message takes this turn when it contains that text, whatever the case. A function decides
    by itself. None answers anything. ``outputs``: what the response holds, in order, or one function
    of the prompt that returns it, or one `Refuse`. ``thinking``: seconds from `response.created` to
    the first of it.
    """

    def __init__(
        self,
        asked: str | Condition | None,
        *outputs: Output | Refuse | Answer,
        thinking: float = 0.05,
    ) -> None:
        self.asked = asked
        self.outputs = outputs
        self.thinking = thinking

    def answers(self, prompt: Prompt) -> bool:
        """Whether this is the reply to ``prompt``."""
        if self.asked is None:
            return prompt.kind != "tool"
        if isinstance(self.asked, str):
            return prompt.kind == "text" and self.asked.casefold() in prompt.text.casefold()
        return self.asked(prompt)

    def reply(self, prompt: Prompt) -> Reply:
        """The reply itself."""
        outputs: list[Output] = []
        for output in self.outputs:
            made = output(prompt) if callable(output) else output
            if isinstance(made, Refuse):
                return made
            outputs += made if isinstance(made, tuple) else (made,)
        return tuple(outputs)


class Script:
    """The turns of a conversation, each used once, in order.

    A turn is used up by the request, whatever a fault then makes of the response. A spoken turn of the
    user takes the next unused turn that is text or None, and keeps it: asked
    again about the same words, the server answers the same. Anything else takes the first unused
    turn that answers it. When there is none, ``otherwise`` does, as often as need be.

    ``mcp``: the MCP servers that can be reached, by label, and the tools of each: names, or objects as
    MCP lists them.
    """

    def __init__(
        self,
        *turns: Turn,
        otherwise: Turn | None = None,
        mcp: Mapping[str, Sequence[str | dict[str, Any]]] | None = None,
    ) -> None:
        self.turns = turns
        self.otherwise = otherwise or Turn(None, _echo)
        self.mcp = mcp or {}

    def tools_of(self, server_label: str) -> list[dict[str, Any]] | None:
        """The tools of this MCP server; None when it cannot be reached."""
        if server_label not in self.mcp:
            return None
        return [
            {"name": tool, "input_schema": {"type": "object"}} if isinstance(tool, str) else tool
            for tool in self.mcp[server_label]
        ]


def after_tool(name: str) -> Condition:
    """Answers a prompt that ends with an output of this function."""
    return lambda prompt: name in prompt.tool_outputs


def after_approval(*, approve: bool = True) -> Condition:
    """Answers a client that has just allowed a call, or with ``approve`` False forbidden it."""
    return lambda prompt: prompt.kind == "approval" and prompt.items[-1].approve is approve


def _echo(prompt: Prompt) -> Reply:
    if prompt.kind == "tool":
        said = "; ".join(f"{name} says {output}" for name, output in prompt.tool_outputs.items())
        return (Speech(f"{_shortened(said)}."),)
    if prompt.text:
        return (Speech(f"You said: {_shortened(prompt.text)}"),)
    return (Speech("Hello, how can I help?"),)


def _shortened(text: str) -> str:
    return text if len(text) <= _MOST_ECHOED else f"{text[:_MOST_ECHOED]}…"
