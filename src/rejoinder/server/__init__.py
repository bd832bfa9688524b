"""The other end: a Realtime server of our own, for loopback. It shares ``wire`` with the client, no more.

``serve`` (aiohttp) carries out what ``core`` (pure) decides; ``script`` says what is heard and
answered, ``faults`` what goes wrong.
"""
