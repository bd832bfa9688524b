"""What watches is not trusted: it may not raise, and if it does, no session suffers from it."""

from __future__ import annotations

import logging

from rejoinder.server.sights import Sight, Watch

logger = logging.getLogger("rejoinder")


def harmless(watch: Watch) -> Watch:
    """The same, but what it raises ends here: the first time in one line of the log."""
    told = False

    def look(number: int, sight: Sight) -> None:
        try:
            watch(number, sight)
        except Exception as error:  # noqa: BLE001 - whoever watches may raise anything, told below
            nonlocal told
            if not told:
                kind = type(error).__name__  # its words may be the client's
                logger.error("what watches the server raised %s; its sessions go on", kind)
            told = True

    return look
