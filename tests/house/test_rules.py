"""A watchman that cannot bark is worth nothing: every rule on a bad sample, and on a good one.

In the bad samples each line that must be found ends in ``#!``; no other line may be.
"""

from __future__ import annotations

from textwrap import dedent

import pytest

from tests.house.rules import SOURCE_RULES
from tests.house.rules_for_tests import TEST_RULES
from tests.house.source import Source

RULES = {rule.name: rule for rule in [*SOURCE_RULES, *TEST_RULES]}

CORE = "src/rejoinder/core/session.py"
CLIENT = "src/rejoinder/client/pump.py"
TEST = "tests/core/test_session.py"

TABLE = "\n".join(["def table():", "    '''Long words.'''", *["    x = 1"] * 30])
FIELDS = "\n".join(f"    field_{n}: int" for n in range(12))

BAD = [
    ("impure imports", CORE, "import asyncio #!\nfrom time import monotonic #!\nimport heapq"),
    ("impure imports", "src/rejoinder/server/script.py", "import random #!"),
    ("clock calls", CORE, "a = loop.time() #!\nb = clock.monotonic() #!\nprint(a) #!\nc = time"),
    ("coverage pragmas", CORE, "x = 1 # pragma: no cover #!\ny = 2 # pragma"),
    (
        "vendor words",
        CLIENT,
        """
        '''Azure may be told of in prose.'''
        is_azure = True #!
        url = 'https://x.openai.azure.com' #!
        alphabeta = 'alphabet'
        connect(xai=1) #!
        header = f'{name}-Beta' #!
        """,
    ),
    ("assert statements", CLIENT, "assert event.item #!\nx = 'assert'"),
    (
        "inner imports",
        CLIENT,
        """
        import importlib
        def connect():
            import aiohttp #!
            return importlib.import_module('a') #!
        """,
    ),
    ("long functions", CLIENT, TABLE.replace(":", ": #!", 1) + "\n    x = 2"),
    ("long files", CLIENT, "x = 1\n" * 450 + "y = 1 #!\n"),
    ("wide classes", CLIENT, f"class Wide: #!\n{FIELDS}\n    def f(self):\n        self.more = 1"),
    (
        "broad excepts",
        CLIENT,
        """
        import contextlib
        try:
            a()
        except: #!
            pass
        try:
            a()
        except (ValueError, Exception): #!
            log()
        try:
            a()
        except Exception:  # noqa: BLE001 #!
            log()
        with contextlib.suppress(Exception): #!
            a()
        """,
    ),
    ("unfinished work", CLIENT, "# TO" + "DO: later #!\nraise NotImplementedError #!"),
    ("stubs", CLIENT, "def a(): #!\n    pass\ndef b(): #!\n    'Prose.'\n    ..."),
    (
        "glossary",
        CLIENT,
        "for chunk in x: #!\n    pass\ndef f(payloads): ... #!\nclass MockHub: ... #!",
    ),
    ("glossary", CLIENT, "def push_audio(): ... #!\nself.zombie = 1 #!\nimport x as y"),
    ("glossary of definitions", CORE, "class Generation: ... #!\ndef turn_ended(): ... #!"),
    ("handlers", CORE, "def _handle_done(): ... #!\ndef on_error(): ... #!"),
    (
        "re-exports only",
        "src/livekit/plugins/rejoinder/__init__.py",
        "'''Words.'''\nfrom rejoinder.livekit import A\nclass B(A): ... #!\nimport os #!",
    ),
    (
        "sleeping",
        TEST,
        """
        import asyncio, time
        from asyncio import sleep as nap
        time.sleep(delay) #!
        asyncio.sleep(0.1) #!
        nap(2 * 3) #!
        asyncio.sleep(0)
        """,
    ),
    (
        "mocking",
        TEST,
        """
        from unittest import mock #!
        import rejoinder.client as client
        def test(monkeypatch, mocker): #!
            monkeypatch.setattr('rejoinder.client.pump', 1) #!
            monkeypatch.setattr(session, 'step', 1) #!
            client.pump = None #!
        """,
    ),
    (
        "skipping",
        TEST,
        """
        import pytest
        from pytest import skip #
        @pytest.mark.xfail(reason='hard') #!
        def test():
            pytest.skip('no') #!
            skip() #!
        """,
    ),
    (
        "peeking",
        TEST,
        """
        from rejoinder.core.session import _table #!
        assert session._state == 1 #!
        assert session.core._heap.top #!
        getattr(session, '_state') #!
        """,
    ),
]

GOOD = [
    ("impure imports", CLIENT, "import asyncio"),
    ("impure imports", "src/rejoinder/server/serve.py", "import asyncio"),
    ("clock calls", CORE, "def step(now, time):\n    return now + time"),
    ("vendor words", "src/rejoinder/wire/dialects.py", "AZURE = 'azure'"),
    ("vendor words", CORE, "FATAL = {'beta_api_shape_disabled'}"),
    ("assert statements", TEST, "assert True"),
    ("inner imports", "src/rejoinder/__init__.py", "def __getattr__(name):\n    import aiohttp"),
    ("inner imports", CLIENT, "if TYPE_CHECKING:\n    import aiohttp"),
    ("long functions", CLIENT, TABLE),
    ("wide classes", CLIENT, f"class Just:\n{FIELDS}\n    N: ClassVar[int]\n    x = 1"),
    ("wide classes", "src/rejoinder/wire/session.py", f"class Wide:\n{FIELDS}\n    one_more: int"),
    (
        "broad excepts",
        CLIENT,
        """
        try:
            a()
        except ValueError:
            pass
        try:
            a()
        except Exception:
            raise Other from None
        try:
            a()
        except Exception:  # noqa: BLE001 - a user's callback may raise anything
            log()
        """,
    ),
    ("stubs", CLIENT, "class P(Protocol):\n    def a(self): ...\ndef b():\n    'On purpose.'"),
    ("glossary", "src/rejoinder/livekit/session.py", "def generate_reply(chunk): ..."),
    ("glossary", CLIENT, "x = frame.payload\nreply = agent.generate_reply(chunk=1)"),
    ("glossary of definitions", CORE, "class TurnDetection: ...\ndef returned(): ..."),
    ("glossary of definitions", "src/rejoinder/server/script.py", "class Turn: ..."),
    ("handlers", CLIENT, "def on_close(): ..."),
    ("sleeping", "tests/testing/test_clock.py", "import asyncio\nasyncio.sleep(3600)"),
    (
        "mocking",
        TEST,
        "import os\nmonkeypatch.setattr(os, 'getpid', f)\nmonkeypatch.setenv('A', 'b')",
    ),
    (
        "peeking",
        TEST,
        "from livekit import agents\nagents._x\nself._y\nvalue.__class__\nrow._asdict()",
    ),
]


def found_lines(rule: str, path: str, sample: str) -> list[int]:
    """Where the rule finds something, read back from its messages."""
    findings = RULES[rule].findings(Source(path, dedent(sample)))
    return sorted({int(finding.split(":")[1]) for finding in findings})


@pytest.mark.parametrize(("rule", "path", "sample"), BAD)
def test_a_bad_sample_is_found(rule: str, path: str, sample: str) -> None:
    lines = dedent(sample).splitlines()
    expected = [number for number, line in enumerate(lines, 1) if line.endswith("#!")]
    assert found_lines(rule, path, sample) == expected


@pytest.mark.parametrize(("rule", "path", "sample"), GOOD)
def test_a_good_sample_passes(rule: str, path: str, sample: str) -> None:
    assert found_lines(rule, path, sample) == []


def test_every_rule_has_a_bad_sample() -> None:
    assert RULES.keys() == {rule for rule, _, _ in BAD}


def test_a_finding_names_file_line_and_remedy() -> None:
    source = Source(CLIENT, "x = 1\nassert x\n")
    (finding,) = RULES["assert statements"].findings(source)
    assert finding.startswith(f"{CLIENT}:2: an assert in the source -> what a peer says passes;")
