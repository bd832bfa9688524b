"""The chat context: items both ways, and the changes between two conversations."""

from __future__ import annotations

import random

import pytest
from livekit import rtc
from livekit.agents import llm

from rejoinder.livekit.chat_context import (
    FIRST,
    Create,
    Delete,
    Truncate,
    applied,
    from_wire,
    image_message,
    plan,
    short_call_id,
    to_wire,
)
from rejoinder.wire.items import ContentPart, Item


def message(item_id: str, text: str | None = "words", role: llm.ChatRole = "user") -> llm.ChatItem:
    return llm.ChatMessage(id=item_id, role=role, content=[] if text is None else [text])


def context(*items: llm.ChatItem) -> llm.ChatContext:
    return llm.ChatContext(list(items))


def ids(items: list[llm.ChatItem]) -> list[str]:
    return [item.id for item in items]


def named(*changes: Create | Delete) -> list[str]:
    return [
        f"+{c.item_id} after {c.previous_item_id}" if isinstance(c, Create) else f"-{c.item_id}"
        for c in changes
    ]


def test_the_same_id_twice_counts_once() -> None:
    twice = context(message("b"), message("b"), message("a"), message("b"))
    assert plan([message("b"), message("a")], twice) == []
    assert named(*plan([message("a")], twice)) == [f"+b after {FIRST}"]


def test_nothing_to_do() -> None:
    items = [message("a"), message("b")]

    assert plan(items, context(*items)) == []


def test_new_items_are_created_after_their_predecessors() -> None:
    changes = plan([message("b")], context(message("a"), message("b"), message("c"), message("d")))

    assert named(*changes) == [f"+a after {FIRST}", "+c after b", "+d after c"]


def test_what_is_not_wanted_is_deleted() -> None:
    assert plan([message("a"), message("b")], context(message("b"))) == [Delete("a")]


def test_a_moved_item_is_deleted_and_created_again() -> None:
    there = [message("a"), message("b"), message("c")]
    changes = plan(there, context(message("b"), message("c"), message("a")))

    assert named(*changes) == ["-a", "+a after c"]


def test_a_reworded_message_is_replaced() -> None:
    there = [message("a", "old"), message("b")]

    assert named(*plan(there, context(message("a", "new"), message("b")))) == [
        "-a",
        f"+a after {FIRST}",
    ]


def test_a_message_whose_words_are_not_known_to_the_mirror_is_left_alone() -> None:
    there = [message("heard", None)]

    assert plan(there, context(message("heard", "what the user said"))) == []
    assert plan(there, context(message("heard", None))) == []


def test_an_empty_message_is_not_created() -> None:
    assert plan([], context(message("a", None))) == []


def test_what_follows_a_message_that_is_wanted_empty_goes_after_it_all_the_same() -> None:
    there = [message("a"), message("said", "words", "assistant")]
    wanted = context(message("a"), message("said", None, "assistant"), message("new"))

    assert named(*plan(there, wanted)) == ["+new after said"]


def test_what_is_no_item_of_the_conversation_is_left_out() -> None:
    wanted = context(
        message("lk.agent_task.instructions", "Be brief.", "system"),
        message("lk.agent_task.instructions.dynamic", "It is noon.", "system"),
        llm.AgentHandoff(new_agent_id="other"),
        llm.AgentConfigUpdate(instructions="Be brief."),
        message("kept", "Mind the gap.", "system"),
    )

    assert named(*plan([], wanted)) == [f"+kept after {FIRST}"]


def test_a_tool_output_goes_after_everything_else() -> None:
    call = llm.FunctionCall(id="call", call_id="c1", name="weather", arguments="{}")
    output = llm.FunctionCallOutput(id="out", call_id="c1", output="sunny", is_error=False)
    there = [message("a"), call]

    changes = plan(there, context(message("a"), call, output))

    assert changes == [
        Create(Item(type="function_call_output", id="out", call_id="c1", output="sunny"), "call")
    ]


def test_any_conversation_can_be_turned_into_any_other() -> None:
    draw = random.Random(5)
    for _ in range(300):
        names = [f"i{n}" for n in range(draw.randint(0, 9))]
        there = [message(n) for n in draw.sample(names, draw.randint(0, len(names)))]
        wanted = [
            message(n, draw.choice(["words", "other words"]))
            for n in draw.sample(names, draw.randint(0, len(names)))
        ]

        after = applied(there, plan(there, context(*wanted)))

        assert [(i.id, i.raw_text_content) for i in after if isinstance(i, llm.ChatMessage)] == [
            (i.id, i.raw_text_content) for i in wanted if isinstance(i, llm.ChatMessage)
        ]


def test_a_long_conversation_costs_little_to_compare() -> None:
    there = [message(f"i{n}") for n in range(2000)]
    wanted = context(*there[1:1000], *there[1001:], message("new"))

    assert named(*plan(there, wanted)) == ["-i0", "-i1000", "+new after i1999"]


def test_a_message_about_to_be_cut_is_not_rewritten_as_text() -> None:
    spoken = message("a", "All that was said.", "assistant")
    there = applied([spoken, message("b")], [Truncate("a", 300)])

    assert plan(there, context(message("a", "All that", "assistant"), message("b"))) == []
    assert isinstance(spoken, llm.ChatMessage)
    assert spoken.content == ["All that was said."]


def test_a_change_after_an_item_that_is_gone_goes_to_the_end() -> None:
    item = Item(
        type="message", id="x", role="user", content=[ContentPart(type="input_text", text="t")]
    )

    assert ids(applied([message("a")], [Create(item, "gone")])) == ["a", "x"]


@pytest.mark.parametrize(
    ("role", "on_the_wire", "part"),
    [
        ("user", "user", "input_text"),
        ("system", "system", "input_text"),
        ("developer", "system", "input_text"),
        ("assistant", "assistant", "output_text"),
    ],
)
def test_messages_of_every_role(role: llm.ChatRole, on_the_wire: str, part: str) -> None:
    assert to_wire(message("a", "words", role)) == Item(
        type="message", id="a", role=on_the_wire, content=[ContentPart(type=part, text="words")]
    )


def test_audio_goes_with_its_transcript() -> None:
    frames = [rtc.AudioFrame(bytes([n, 0] * 240), 24_000, 1, 240) for n in (1, 2)]
    spoken = llm.ChatMessage(
        id="a", role="user", content=[llm.AudioContent(frame=frames, transcript="hello")]
    )

    item = to_wire(spoken)

    assert item is not None
    assert item.content == [
        ContentPart(
            type="input_audio", audio=bytes([1, 0] * 240 + [2, 0] * 240), transcript="hello"
        )
    ]


def test_a_video_frame_becomes_an_image() -> None:
    frame = rtc.VideoFrame(8, 8, rtc.VideoBufferType.RGBA, bytes(8 * 8 * 4))

    item = to_wire(image_message(frame))

    assert item is not None
    assert item.content is not None
    assert (item.content[0].image_url or "").startswith("data:image/jpeg;base64,")


@pytest.mark.parametrize("image", ["https://example.com/a", "data:image/png;base64"])
def test_an_image_that_cannot_be_sent_is_left_out(image: str) -> None:
    shown = llm.ImageContent(image=image)

    assert to_wire(llm.ChatMessage(role="user", content=[shown])) is None
    there = message("a")
    wanted = llm.ChatMessage(id="b", role="user", content=[shown])
    assert plan([there], context(there, wanted)) == []


def test_an_assistants_pictures_are_not_sent() -> None:
    shown = llm.ImageContent(image="data:image/png;base64,AAAA")
    item = to_wire(llm.ChatMessage(id="a", role="assistant", content=["Look.", shown]))

    assert item is not None
    assert item.content == [ContentPart(type="output_text", text="Look.")]


def test_long_call_ids_are_shortened_alike() -> None:
    long = "call_" + "x" * 60
    call = to_wire(llm.FunctionCall(call_id=long, name="weather", arguments="{}"))
    output = to_wire(llm.FunctionCallOutput(call_id=long, output="sunny", is_error=False))

    assert call is not None
    assert output is not None
    assert call.call_id == output.call_id == short_call_id(long)
    assert len(short_call_id(long)) == 32
    assert short_call_id("call_1") == "call_1"


def test_items_come_back() -> None:
    assert from_wire(
        Item(
            type="message",
            id="a",
            role="assistant",
            content=[ContentPart(type="output_audio", transcript="hello")],
        )
    ) == llm.ChatMessage.model_construct(
        id="a",
        type="message",
        role="assistant",
        content=["hello"],
        interrupted=False,
        transcript_confidence=None,
        extra={},
        metrics={},
        created_at=pytest.approx(0, abs=1e12),
        hash=None,
    )


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        (ContentPart(type="input_text", text="typed"), ["typed"]),
        (ContentPart(type="input_audio", transcript="spoken"), ["spoken"]),
        (ContentPart(type="input_audio"), []),
        (ContentPart(type="output_text", text="written"), ["written"]),
    ],
)
def test_words_of_every_kind_of_part(part: ContentPart, expected: list[str]) -> None:
    item = from_wire(Item(type="message", id="a", role="user", content=[part]))

    assert isinstance(item, llm.ChatMessage)
    assert item.content == expected


def test_calls_and_outputs_come_back() -> None:
    call = from_wire(Item(type="function_call", id="a", call_id="c", name="f", arguments="{}"))
    output = from_wire(Item(type="function_call_output", id="b", call_id="c", output="yes"))

    assert isinstance(call, llm.FunctionCall)
    assert (call.call_id, call.name, call.arguments) == ("c", "f", "{}")
    assert isinstance(output, llm.FunctionCallOutput)
    assert (output.call_id, output.output, output.is_error) == ("c", "yes", False)


@pytest.mark.parametrize(
    "item",
    [
        Item(type="message", role="user", content=[]),
        Item(type="message", id="a", role="ghost", content=[]),
        Item(type="function_call", id="a", name="f"),
        Item(type="function_call_output", id="a"),
        Item(type="mcp_call", id="a", name="f"),
        Item(type="item_reference", id="a"),
    ],
)
def test_what_livekit_has_no_word_for_is_left_out(item: Item) -> None:
    assert from_wire(item) is None
