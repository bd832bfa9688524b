"""The house rules that no linter covers, for the source. Each is a look at one file.

A look yields ``(line, what is wrong)``; the rule adds where and the remedy. Exceptions to a rule
stand here, in the open, each with its reason. The rules for tests are in `rules_for_tests`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from tests.house.source import (
    Function,
    Source,
    body,
    defined_names,
    imported_modules,
    split_words,
    used_names,
)

Sighting: TypeAlias = tuple[int, str]

FUNCTION_LINES = 30
FILE_LINES = 450
CLASS_FIELDS = 12

PURE = re.compile(r"src/rejoinder/(wire/|core/|server/(?!serve\.py|apart\.py|shell/))")
"""The rooms whose time is an argument: all of the server but its shell."""

IMPURE = frozenset(
    "asyncio concurrent datetime logging multiprocessing os random secrets select selectors socket"
    " ssl subprocess threading time uuid".split()
)

CLOCKS = frozenset(
    "monotonic monotonic_ns now perf_counter perf_counter_ns sleep time time_ns today urandom utcnow"
    " uuid1 uuid4".split()
)

VENDORS = frozenset({"azure", "beta", "xai"})

VENDORS_MAY = {
    "src/rejoinder/wire/dialects.py": "where they die",
    "src/rejoinder/livekit/model.py": "option names of the drop-in",
    "src/rejoinder/livekit/endpoint.py": "the same, and what they mean for address and key",
    "src/rejoinder/livekit/utils.py": "names of LiveKit's, passed on",
}

VENDOR_LIKE = {"beta_api_shape_disabled": "an error code of the protocol itself"}

INNER_IMPORTS = {
    ("src/rejoinder/__init__.py", "__getattr__"): "the front door loads aiohttp on first use",
    ("src/rejoinder/cli.py", "demo"): "only this verb needs the livekit extra",
    ("src/rejoinder/cli.py", "faults"): "only this verb needs the server and what is driven",
    ("src/rejoinder/conformance/clients.py", "_imported"): "clients of others are loaded by name",
    ("src/rejoinder/server/ears.py", "_speech"): "only this ear needs the livekit extra",
    ("src/rejoinder/cli.py", "serve"): "only this verb needs aiohttp",
    ("src/rejoinder/pytest_plugin.py", "run"): "every pytest run loads the plugin",
    ("src/rejoinder/pytest_plugin.py", "realtime_server"): "every pytest run loads the plugin",
    ("src/rejoinder/pytest_plugin.py", "live_realtime_server"): "every pytest run loads the plugin",
}

GLOSSARY = {
    "chaos": "fault",
    "chunk": "part or delta",
    "mock": "a real peer; see rejoinder.server",
    "packet": "event",
    "payload": "event, or raw",
    "utterance": "item",
    "zombie": "orphaned",
}

GLOSSARY_NAMES = {
    "generate_reply": "create_response",
    "is_azure": "dialect",
    "push_audio": "append_audio",
}

GLOSSARY_PREFIXES = {"generation": "response", "turn": "response, or item"}


@dataclass(frozen=True)
class Rule:
    """``where`` says which files it holds for; ``remedy`` is added to every finding."""

    name: str
    where: Callable[[str], bool]
    look: Callable[[Source], Iterator[Sighting]]
    remedy: str

    def findings(self, source: Source) -> list[str]:
        """``path:line: what is wrong -> remedy``, in order, each once."""
        if not self.where(source.path):
            return []
        sightings = sorted(set(self.look(source)))
        return [f"{source.path}:{line}: {what} -> {self.remedy}" for line, what in sightings]


def everywhere(_path: str) -> bool:
    return True


def in_src(path: str) -> bool:
    return path.startswith("src/rejoinder/")


def in_pure_rooms(path: str) -> bool:
    return PURE.match(path) is not None


def in_src_but_wire(path: str) -> bool:
    """The structs of wire/ mirror the wire format, however many fields that has."""
    return in_src(path) and not path.startswith("src/rejoinder/wire/")


def in_src_but_vendor_places(path: str) -> bool:
    return in_src(path) and path not in VENDORS_MAY


def in_src_but_livekit(path: str) -> bool:
    """The rooms that face LiveKit speak its language."""
    return in_src(path) and not path.startswith(("src/rejoinder/livekit/", "src/rejoinder/demo/"))


def in_session_rooms(path: str) -> bool:
    """Where a reply is a response. Scripts of a conversation (server, demo) may count in turns."""
    return path.startswith(
        tuple(f"src/rejoinder/{r}/" for r in ("wire", "core", "client", "journal"))
    )


def in_ecosystem_path(path: str) -> bool:
    return path.startswith("src/livekit/")


def impure_imports(source: Source) -> Iterator[Sighting]:
    for line, module in imported_modules(source.tree):
        if module.partition(".")[0] in IMPURE:
            yield line, f"a pure room imports {module}"


def clock_calls(source: Source) -> Iterator[Sighting]:
    for node in ast.walk(source.tree):
        match node:
            case ast.Call(func=ast.Attribute(attr=name)) if name in CLOCKS:
                yield node.lineno, f"a pure room calls .{name}()"
            case ast.Call(func=ast.Name(id="open" | "print" | "input" as name)):
                yield node.lineno, f"a pure room calls {name}()"
            case _:
                pass


def coverage_pragmas(source: Source) -> Iterator[Sighting]:
    for line, comment in source.comments.items():
        if comment.startswith("pragma: no "):
            yield line, "a pure room hides a line or branch from coverage"


def vendor_words(source: Source) -> Iterator[Sighting]:
    for line, name in used_names(source.tree):
        for word in VENDORS.intersection(split_words(name)):
            yield line, f"the name {name!r} holds the vendor word {word!r}"
    for line, text in source.words:
        if text in VENDOR_LIKE:
            continue
        for word in VENDORS.intersection(re.findall(r"[a-z]+", text.lower())):
            yield line, f"a string holds the vendor word {word!r}"


def assert_statements(source: Source) -> Iterator[Sighting]:
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Assert):
            yield node.lineno, "an assert in the source"


def inner_imports(source: Source) -> Iterator[Sighting]:
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import | ast.ImportFrom) or _is_dynamic_import(source, node):
            line: int = getattr(node, "lineno", 0)
            function = source.enclosing(line)
            if function and (source.path, function) not in INNER_IMPORTS:
                yield line, f"an import inside {function}()"


def _is_dynamic_import(source: Source, node: ast.AST) -> bool:
    match node:
        case ast.Call(func=ast.Name(id="__import__")):
            return True
        case ast.Call(func=function):
            return source.dotted(function) == "importlib.import_module"
        case _:
            return False


def long_functions(source: Source) -> Iterator[Sighting]:
    for function in source.functions:
        statements = body(function)
        lines = _end(statements[-1]) - statements[0].lineno + 1 if statements else 0
        if lines > FUNCTION_LINES:
            yield function.lineno, f"{function.name}() has {lines} lines (at most {FUNCTION_LINES})"


def _end(node: ast.stmt) -> int:
    return node.end_lineno or node.lineno


def long_files(source: Source) -> Iterator[Sighting]:
    lines = source.text.count("\n")
    if lines > FILE_LINES:
        yield lines, f"the file has {lines} lines (at most {FILE_LINES})"


def wide_classes(source: Source) -> Iterator[Sighting]:
    for node in source.classes:
        fields = sorted(set(_fields(node)))
        if len(fields) > CLASS_FIELDS:
            count = f"{len(fields)} fields (at most {CLASS_FIELDS})"
            yield node.lineno, f"{node.name} has {count}: {', '.join(fields)}"


def _fields(node: ast.ClassDef) -> Iterator[str]:
    """Annotated names of the class body, and whatever a method stores on ``self``."""
    for statement in node.body:
        match statement:
            case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation):
                if "ClassVar" not in ast.unparse(annotation):
                    yield name
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                yield from _stored_on_self(statement)
            case _:
                pass


def _stored_on_self(method: Function) -> Iterator[str]:
    for node in ast.walk(method):
        match node:
            case ast.Attribute(value=ast.Name(id="self"), attr=name, ctx=ast.Store()):
                yield name
            case _:
                pass


def broad_excepts(source: Source) -> Iterator[Sighting]:
    for node in ast.walk(source.tree):
        match node:
            case ast.ExceptHandler() if _is_broad(node.type):
                raises = any(isinstance(inner, ast.Raise) for inner in ast.walk(node))
                if not raises and not _reason(source, node.lineno, node.body[0].lineno):
                    yield node.lineno, "a broad except, neither raising again nor giving a reason"
            case ast.Call(args=args) if source.dotted(node.func) == "contextlib.suppress":
                if any(_is_broad(arg) for arg in args) and not _reason(source, node.lineno):
                    yield node.lineno, "a broad suppress without a reason"
            case _:
                pass


def _is_broad(caught: ast.expr | None) -> bool:
    if isinstance(caught, ast.Tuple):
        return any(_is_broad(each) for each in caught.elts)
    return caught is None or ast.unparse(caught) in {"Exception", "BaseException"}


def _reason(source: Source, first: int, last: int | None = None) -> str:
    """The words of the comments on these lines, less the directives to linters."""
    comments = [source.comments.get(line, "") for line in range(first, (last or first) + 1)]
    directive = r"noqa(: ?[A-Z]+\d+(, ?[A-Z]+\d+)*)?|type: ignore\[.*?\]|pragma: no \w+"
    words = re.sub(directive, "", " ".join(comments)).strip(" -–:,;")
    return words if len(words.split()) > 1 else ""


def unfinished_work(source: Source) -> Iterator[Sighting]:
    for line, text in [*source.comments.items(), *source.prose.items()]:
        for mark in re.findall(r"\b(TODO|FIXME|XXX|HACK)\b", text):
            yield line, f"a mark of unfinished work: {mark}"
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Raise) and node.exc and "NotImplementedError" in ast.dump(node.exc):
            yield node.lineno, "a stub: NotImplementedError"


def stubs(source: Source) -> Iterator[Sighting]:
    shapes = {id(f) for c in source.classes if _is_protocol(c) for f in c.body}
    for function in source.functions:
        decorators = " ".join(ast.unparse(d) for d in function.decorator_list)
        if id(function) in shapes or "overload" in decorators or "abstract" in decorators:
            continue
        statements = body(function)
        if statements and all(_does_nothing(statement) for statement in statements):
            yield function.lineno, f"{function.name}() does nothing and does not say why"


def _is_protocol(node: ast.ClassDef) -> bool:
    return any("Protocol" in ast.unparse(base) for base in node.bases)


def _does_nothing(statement: ast.stmt) -> bool:
    match statement:
        case ast.Pass() | ast.Expr(value=ast.Constant()):
            return True
        case _:
            return False


def glossary(source: Source) -> Iterator[Sighting]:
    for line, name in defined_names(source.tree):
        for word in split_words(name):
            ours = GLOSSARY.get(word) or GLOSSARY.get(word.removesuffix("s"))
            if ours:
                yield line, f"{name!r}: we do not say {word!r} but {ours}"
        if name.strip("_") in GLOSSARY_NAMES:
            yield line, f"{name!r}: we say {GLOSSARY_NAMES[name.strip('_')]}"


def glossary_of_definitions(source: Source) -> Iterator[Sighting]:
    for node in [*source.functions, *source.classes]:
        first, *rest = split_words(node.name) or [""]
        if first in GLOSSARY_PREFIXES and rest[:1] not in (["detection"], ["detected"]):
            ours = GLOSSARY_PREFIXES[first]
            yield node.lineno, f"{node.name!r}: we do not say {first!r} but {ours}"


def handlers(source: Source) -> Iterator[Sighting]:
    for function in source.functions:
        if function.name.lstrip("_").startswith(("handle_", "on_")):
            yield function.lineno, f"{function.name}() is named after being called"


def more_than_a_reexport(source: Source) -> Iterator[Sighting]:
    for statement in source.tree.body:
        match statement:
            case ast.Expr(value=ast.Constant()) | ast.Assign(targets=[ast.Name(id="__all__")]):
                pass
            case ast.ImportFrom(module=str(module)) if _is_ours(module):
                pass
            case _:
                yield statement.lineno, "the ecosystem's import path holds more than a re-export"


def _is_ours(module: str) -> bool:
    return f"{module}.".startswith(("rejoinder.livekit.", "livekit.plugins.rejoinder."))


SOURCE_RULES = [
    Rule("impure imports", in_pure_rooms, impure_imports, "time is an argument: take it as one"),
    Rule("clock calls", in_pure_rooms, clock_calls, "time is an argument: take it as one"),
    Rule("coverage pragmas", in_pure_rooms, coverage_pragmas, "test the line, or delete it"),
    Rule(
        "vendor words",
        in_src_but_vendor_places,
        vendor_words,
        "vendors die in wire/dialects.py: ask the Dialect",
    ),
    Rule(
        "assert statements",
        in_src,
        assert_statements,
        "what a peer says passes; what a caller says raises a typed error; the rest is a test's",
    ),
    Rule(
        "inner imports",
        in_src,
        inner_imports,
        "import at the top; if that makes a circle, a noun is in the wrong room",
    ),
    Rule("long functions", everywhere, long_functions, "split it, or make a table of it"),
    Rule("long files", everywhere, long_files, "a noun is missing: give it a file"),
    Rule("wide classes", in_src_but_wire, wide_classes, "a noun is missing: give it some of them"),
    Rule(
        "broad excepts",
        everywhere,
        broad_excepts,
        "name the exceptions, raise again, or say why in a comment on that line",
    ),
    Rule("unfinished work", everywhere, unfinished_work, "finish it, or file an issue"),
    Rule("stubs", in_src, stubs, "write it, or say in its docstring why nothing is right"),
    Rule("glossary", in_src_but_livekit, glossary, "see the glossary in ARCHITECTURE.md"),
    Rule(
        "glossary of definitions",
        in_session_rooms,
        glossary_of_definitions,
        "see the glossary in ARCHITECTURE.md",
    ),
    Rule("handlers", in_pure_rooms, handlers, "name it after what it does"),
    Rule(
        "re-exports only",
        in_ecosystem_path,
        more_than_a_reexport,
        "put it into src/rejoinder/livekit/",
    ),
]
