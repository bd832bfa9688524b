"""The house rules for tests: honest ones. No pretence, no peeking, no waiting, no leaving out."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tests.house.rules import Rule, Sighting
from tests.house.source import Source, imported_modules

NAMEDTUPLE = frozenset({"_asdict", "_field_defaults", "_fields", "_make", "_replace"})

SLEEPS = frozenset({"asyncio.sleep", "anyio.sleep", "trio.sleep"})

SKIPS = ("pytest.skip", "pytest.xfail", "pytest.importorskip", "pytest.exit", "unittest.skip")

SKIP_MARKS = ("pytest.mark.skip", "pytest.mark.skipif", "pytest.mark.xfail")

PATCHES = frozenset({"delattr", "delitem", "setattr", "setitem"})


def in_tests(path: str) -> bool:
    return path.startswith("tests/")


def in_tests_but_of_the_clock(path: str) -> bool:
    """tests/testing/ tests the virtual clock itself, and has to let it run."""
    return in_tests(path) and not path.startswith("tests/testing/")


def sleeping(source: Source) -> Iterator[Sighting]:
    for node in ast.walk(source.tree):
        match node:
            case ast.Call(func=function) if source.dotted(function) == "time.sleep":
                yield node.lineno, "a test sleeps"
            case ast.Call(func=function, args=[length, *_]) if source.dotted(function) in SLEEPS:
                if _is_positive(length):
                    yield node.lineno, f"a test waits for {ast.unparse(length)} s to be enough"
            case _:
                pass


def _is_positive(length: ast.expr) -> bool:
    """True for an expression of numbers alone that is not zero."""
    parts = list(ast.walk(length))
    numbers = [part.value for part in parts if isinstance(part, ast.Constant)]
    named = any(isinstance(part, ast.Name) for part in parts)
    return not named and any(isinstance(n, int | float) and n > 0 for n in numbers)


def mocking(source: Source) -> Iterator[Sighting]:
    for line, module in imported_modules(source.tree):
        if f"{module}.".startswith(("unittest.mock.", "mock.")):
            yield line, f"a test imports {module}"
    for node in ast.walk(source.tree):
        match node:
            case ast.arg(arg="mocker"):
                yield node.lineno, "a test asks for mocker"
            case ast.Call(func=ast.Attribute(value=ast.Name(id="monkeypatch"), attr=name)):
                if name in PATCHES and node.args and not _is_foreign(source, node.args[0]):
                    yield node.lineno, f"a test patches {ast.unparse(node.args[0])}"
            case ast.Attribute(ctx=ast.Store()) if _is_ours(source.dotted(node)):
                yield node.lineno, f"a test patches {ast.unparse(node)} by hand"
            case _:
                pass


def _is_foreign(source: Source, target: ast.expr) -> bool:
    """Whether it surely belongs to somebody else: imported, or named in full."""
    if isinstance(target, ast.Constant) and isinstance(target.value, str):
        return not _is_ours(target.value)
    name = source.dotted(target)
    return bool(name) and not _is_ours(name)


def _is_ours(dotted: str) -> bool:
    return dotted.partition(".")[0] == "rejoinder"


def skipping(source: Source) -> Iterator[Sighting]:
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Attribute | ast.Name):
            name = source.dotted(node)
            if name.startswith(SKIPS) or name in SKIP_MARKS:
                yield node.lineno, f"a test is left out: {name}"


def peeking(source: Source) -> Iterator[Sighting]:
    for node in ast.walk(source.tree):
        match node:
            case ast.Attribute(attr=name, value=owner) if _is_private(name):
                if not _is_self(owner) and not _is_foreign(source, owner):
                    yield node.lineno, f"a test reads {ast.unparse(node)}"
            case ast.Call(
                func=ast.Name(id="getattr" | "hasattr" | "setattr"),
                args=[owner, ast.Constant(value=str(name)), *_],
            ) if _is_private(name):
                if not _is_self(owner) and not _is_foreign(source, owner):
                    yield node.lineno, f"a test reads {name} of {ast.unparse(owner)}"
            case ast.ImportFrom(module=str(module), names=names) if _is_ours(module):
                for alias in names:
                    if _is_private(alias.name):
                        yield node.lineno, f"a test imports {alias.name} of {module}"
            case _:
                pass


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name not in NAMEDTUPLE


def _is_self(owner: ast.expr) -> bool:
    match owner:
        case ast.Name(id="self" | "cls"):
            return True
        case ast.Call(func=ast.Name(id="super")):
            return True
        case _:
            return False


TEST_RULES = [
    Rule(
        "sleeping",
        in_tests_but_of_the_clock,
        sleeping,
        "wait for the event itself, in virtual time (rejoinder.testing)",
    ),
    Rule("mocking", in_tests, mocking, "feed inputs, or talk to a real peer over loopback"),
    Rule("skipping", in_tests, skipping, "make it pass, or delete it"),
    Rule("peeking", in_tests, peeking, "test what callers see; if they cannot, it does not matter"),
]
