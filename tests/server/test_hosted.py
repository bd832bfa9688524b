"""MCP servers: their tools are listed, their calls run by the server, with or without asking first."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest

import rejoinder
from rejoinder.server.script import AskApproval, McpCall, Script, Speech, Text, Turn, after_approval
from rejoinder.server.serve import serve
from rejoinder.testing import Run
from rejoinder.wire import server_events as events
from rejoinder.wire.items import Item, ItemError
from tests.server.desk import Desk, every, only, refusal, types
from tests.server.test_serve import connected

DOCS = {"type": "mcp", "server_label": "docs", "server_url": "https://example.com/mcp"}
SEARCH = {"name": "search", "input_schema": {"type": "object", "required": ["q"]}}
OPEN = {"name": "open", "input_schema": {"type": "object"}}
REACHED: dict[str, list[str | dict[str, Any]]] = {"docs": [SEARCH, "open"]}

ASKED = ["conversation.item.added", "mcp_list_tools.in_progress"]
LISTED = ["conversation.item.done", "mcp_list_tools.completed"]


def offering(*tools: dict[str, Any]) -> tuple[Desk, list[events.ServerEvent]]:
    desk = Desk(Script(mcp=REACHED))
    return desk, desk.configure(tools=list(tools))


# -- lists --


def test_a_server_is_asked_for_its_tools_and_the_list_is_an_item() -> None:
    desk, told = offering(DOCS)
    assert types(told) == ["session.updated", *ASKED]
    added = only(events.ConversationItemAdded, told).item
    assert (added.type, added.server_label, added.tools) == ("mcp_list_tools", "docs", [])
    assert only(events.McpListToolsInProgress, told).item_id == added.id
    told = desk.run()
    assert types(told) == LISTED
    assert only(events.ConversationItemDone, told).item.tools == [SEARCH, OPEN]
    assert only(events.McpListToolsCompleted, told).item_id == added.id
    assert desk.session.conversation.items()[-1].tools == [SEARCH, OPEN]


@pytest.mark.parametrize("allowed", [["open"], {"tool_names": ["open"]}])
def test_only_the_tools_that_are_allowed_are_listed(allowed: Any) -> None:
    desk, _ = offering({**DOCS, "allowed_tools": allowed})
    assert only(events.ConversationItemDone, desk.run()).item.tools == [OPEN]


def test_all_are_allowed_that_are_not_named() -> None:
    desk, _ = offering({**DOCS, "allowed_tools": {"read_only": True}})
    assert only(events.ConversationItemDone, desk.run()).item.tools == [SEARCH, OPEN]


def test_a_server_that_cannot_be_reached_has_no_list_and_may_be_asked_again() -> None:
    other = {**DOCS, "server_label": "nowhere"}
    desk, told = offering(other)
    failed = only(events.McpListToolsFailed, desk.run())
    assert failed.item_id == only(events.ConversationItemAdded, told).item.id
    assert types(desk.configure(tools=[other])) == ["session.updated", *ASKED]


def test_a_server_is_asked_once_until_it_is_described_anew() -> None:
    desk, _ = offering(DOCS)
    desk.run()
    for again in (DOCS, {"type": "mcp", "server_label": "docs"}):
        assert types(desk.configure(tools=[again])) == ["session.updated"]
    assert types(desk.configure(instructions="x")) == ["session.updated"]
    elsewhere = {**DOCS, "server_url": "https://example.com/other"}
    assert types(desk.configure(tools=[elsewhere])) == ["session.updated", *ASKED]


def test_a_list_that_was_deleted_meanwhile_is_complete_all_the_same() -> None:
    desk, told = offering(DOCS)
    item_id = only(events.ConversationItemAdded, told).item.id
    desk.say("conversation.item.delete", item_id=item_id)
    assert types(desk.run()) == LISTED[1:]


def test_a_request_may_bring_its_server() -> None:
    desk = Desk(Script(otherwise=Turn(None, Text("Hm.")), mcp=REACHED))
    told = desk.say(
        "response.create", response={"tools": [DOCS, {"type": "function", "name": "f"}]}
    )
    assert types(told) == ["response.created", *ASKED]
    told = desk.run()
    assert set(LISTED) < set(types(told))
    assert only(events.ResponseDone, told).response.status == "completed"


def test_a_list_is_no_part_of_what_is_answered() -> None:
    desk = Desk(Script(Turn("hello", Text("Hi.")), mcp=REACHED))
    desk.write("Hello!")
    desk.configure(tools=[DOCS])
    told = desk.say("response.create") + desk.run()
    assert only(events.ResponseOutputTextDone, told).text == "Hi."


def test_a_session_that_begins_with_a_server_asks_it_at_once(run: Run) -> None:
    async def exchange() -> None:
        async with serve(Script(mcp=REACHED), api_key="sk") as server:
            url = server.url.replace("ws:", "http:") + "/realtime/client_secrets"
            body = {"session": {"type": "realtime", "tools": [DOCS]}}
            headers = {"Authorization": "Bearer sk"}
            async with (
                aiohttp.ClientSession(headers=headers) as http,
                http.post(url, json=body) as response,
            ):
                secret = (await response.json())["value"]
            async with connected(server, "/realtime", key=secret) as client:
                assert (await client.hear())["type"] == "session.created"
                assert (await client.until("conversation.item.done"))["item"]["tools"]

    run(exchange())


# -- calls --

CALL = McpCall("docs", "search", {"q": "opening hours"}, output="nine to six")
RUN = [
    "response.output_item.added",
    "conversation.item.added",
    "response.mcp_call_arguments.delta",
    "response.mcp_call_arguments.delta",
    "response.mcp_call_arguments.done",
    "response.mcp_call.in_progress",
]
ENDED = ["conversation.item.done", "response.output_item.done"]


def calling(call: McpCall) -> tuple[Desk, list[events.ServerEvent]]:
    desk = Desk(Script(otherwise=Turn(None, call, Text("Done."))))
    return desk, desk.say("response.create")


def test_a_hosted_call_runs_within_the_response_which_goes_on() -> None:
    desk, told = calling(CALL)
    told += desk.run()
    order = types(told)
    assert order[1:10] == [*RUN, "response.mcp_call.completed", *ENDED]
    done = only(events.ResponseDone, told).response
    called, said = done.output
    assert called == Item(
        type="mcp_call",
        id=called.id,
        server_label="docs",
        name="search",
        arguments='{"q":"opening hours"}',
        output="nine to six",
    )
    assert (done.status, said.type) == ("completed", "message")
    assert only(events.ResponseMcpCallArgumentsDone, told).arguments == called.arguments
    deltas = every(events.ResponseMcpCallArgumentsDelta, told)
    assert "".join(one.delta for one in deltas) == called.arguments
    assert only(events.ResponseMcpCallCompleted, told).item_id == called.id


def test_a_hosted_call_may_fail_and_the_response_goes_on() -> None:
    error = ItemError(type="tool_execution_error", message="The shelf is empty.")
    desk, told = calling(McpCall("docs", "search", "{}", error=error))
    told += desk.run()
    failed = only(events.ResponseMcpCallFailed, told)
    called, _ = only(events.ResponseDone, told).response.output
    assert (called.id, called.error, called.output) == (failed.item_id, error, None)


def test_a_hosted_call_that_is_cut_short_fails() -> None:
    desk, _ = calling(McpCall("docs", "search", {"q": "x"}, output="late", lasting=5.0))
    assert types(desk.run(1.0))[-1] == "response.mcp_call.in_progress"
    told = desk.say("response.cancel")
    assert types(told)[:3] == ["response.mcp_call.failed", *ENDED]
    assert only(events.ResponseOutputItemDone, told).item.output is None


def test_a_hosted_call_that_never_ran_ends_without_a_word() -> None:
    desk, _ = calling(McpCall("docs", "search", {"q": "x" * 200}))
    desk.run(0.06)
    told = desk.say("response.cancel")
    assert types(told)[:2] == ENDED


# -- approval --


def asking() -> tuple[Desk, str]:
    script = Script(
        Turn("hours", AskApproval("docs", "search", {"q": "hours"})),
        Turn(after_approval(), CALL, Text("Nine to six.")),
        Turn(after_approval(approve=False), Text("Then I cannot say.")),
    )
    desk = Desk(script)
    desk.write("What are your hours?")
    told = desk.say("response.create") + desk.run()
    assert types(told)[1:5] == [*RUN[:2], *ENDED]
    (request,) = only(events.ResponseDone, told).response.output
    assert (request.type, request.arguments) == ("mcp_approval_request", '{"q":"hours"}')
    return desk, request.id or ""


def answer(desk: Desk, request_id: str, *, approve: bool) -> list[events.ServerEvent]:
    item = {"type": "mcp_approval_response", "approval_request_id": request_id, "approve": approve}
    told = desk.say("conversation.item.create", item=item)
    if not every(events.Error, told):
        assert types(told) == ["conversation.item.added", "conversation.item.done"]
    return told


def test_a_call_that_is_allowed_says_by_which_request() -> None:
    desk, request_id = asking()
    answer(desk, request_id, approve=True)
    told = desk.say("response.create") + desk.run()
    called, _ = only(events.ResponseDone, told).response.output
    assert (called.approval_request_id, called.output) == (request_id, "nine to six")


def test_a_call_that_is_forbidden_is_not_made() -> None:
    desk, request_id = asking()
    answer(desk, request_id, approve=False)
    told = desk.say("response.create") + desk.run()
    assert only(events.ResponseOutputTextDone, told).text == "Then I cannot say."


def test_what_was_never_asked_cannot_be_allowed() -> None:
    desk, _ = asking()
    (user, _) = desk.session.conversation.items()
    for item_id in ("nobody", user.id or ""):
        error = refusal(answer(desk, item_id, approve=True))
        assert (error.code, error.param) == ("invalid_value", "item.approval_request_id")


# -- our own client --


def test_our_own_client_hears_the_response_out(run: Run) -> None:
    script = Script(
        Turn(None, McpCall("docs", "search", lasting=30.0), Speech("Six.", bytes(9600)))
    )

    async def exchange() -> None:
        async with (
            serve(script) as server,
            rejoinder.connect(base_url=server.url, api_key="any") as session,
        ):
            outcome = await session.create_response().outcome()
            assert isinstance(outcome, rejoinder.Completed)
            assert outcome.delivered.text == "Six."

    run(exchange())
