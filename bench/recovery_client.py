"""One measurement of recovery in a process of its own, so that its loop is measured alone.

    python -m bench.recovery_client reconnects http://127.0.0.1:8000/v1 100

Its only output is what was measured, as JSON; moments are of the clock that all processes share.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias

import msgspec

from bench.losing import losses
from bench.reconnecting import reconnects
from bench.renewing import talks

Measuring: TypeAlias = Callable[..., Coroutine[Any, Any, Any]]

MEASURED: dict[str, Measuring] = {"losses": losses, "talks": talks, "reconnects": reconnects}


if __name__ == "__main__":
    _, what, where, told = sys.argv
    logging.getLogger("rejoinder").setLevel(
        logging.CRITICAL
    )  # each loss would be told, as it should
    gc.collect()
    gc.freeze()  # to collect among all that LiveKit has loaded stops the loop for a quarter of a second
    found = asyncio.run(MEASURED[what](where, **msgspec.json.decode(told)))
    sys.stdout.write(f"{msgspec.json.encode(found).decode()}\n")
