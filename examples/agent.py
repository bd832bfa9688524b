"""A LiveKit agent that answers the telephone of a small shop.

It is an agent for LiveKit's OpenAI plugin with one line changed, the import. Everything else is as before,
and so is how it is started (docs/livekit.md says more)::

    python -m livekit.agents start examples/agent.py     # a worker of a fleet
    python examples/agent.py console                     # a talk at your own desk
"""

from livekit.agents import Agent, AgentServer, AgentSession, JobContext, cli, function_tool
from livekit.plugins.rejoinder import realtime  # was: from livekit.plugins.openai import realtime

HOURS = {"sunday": "closed", "saturday": "ten to two"}


class Shop(Agent):
    """Who answers."""

    def __init__(self) -> None:
        super().__init__(instructions="You answer the telephone of a small shop. Be brief.")

    async def on_enter(self) -> None:
        """Greets the caller."""
        self.session.generate_reply(instructions="Greet the caller.")

    @function_tool
    async def opening_hours(self, day: str) -> str:
        """When the shop is open on a day of the week, such as "sunday"."""
        return HOURS.get(day.casefold(), "nine to five")


server = AgentServer()


@server.rtc_session()
async def answer(ctx: JobContext) -> None:
    """One call."""
    session: AgentSession[None] = AgentSession(llm=realtime.RealtimeModel(voice="marin"))
    await session.start(agent=Shop(), room=ctx.room)


if __name__ == "__main__":
    cli.run_app(server)
