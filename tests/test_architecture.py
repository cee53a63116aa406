"""The house rules of docs/architecture.md, read from the source with ast."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[1] / "src" / "pannier"

# Who may import whom: a package imports those of lower rank. Equal rank does not know each other.
RANK = {
    "core": 0,
    "formats": 1,
    "disk": 1,
    "git": 2,
    "store": 2,
    "project": 3,
    "run": 4,
    "ops": 5,
    "exp": 6,
    "cli": 7,
    "api": 7,
    "ui": 7,
}
# The lazy tables of commands and transports, and the formats that few projects have: pipelines,
# parameters in Python; and what opens the source of an import, for commands that only read.
LATE = {
    "cli.main",
    "cli.table",
    "store.schemes",
    "project.index",
    "project.further",
    "formats.values",
    "run.executors",
}
OWNER = {
    "yaml": "formats.yamlio",
    "ruamel": "formats.yamlio",
    "tomlkit": "formats.settings",
    "pathspec": "formats.ignore",
    "rich": "cli.ui",
    "duckdb": "project.tables",
    "fsspec": "store.transports.fsspec_client",
    "google": "store.transports.google_tokens",
    "hdfs_native": "store.transports.hdfs",
    "obstore": "store.transports.object_client",
    "botocore": "store.transports.s3_credentials",
    "asyncssh": "store.transports.ssh_connect",
    "httpx": "store.transports.web_client",
    "sqlalchemy": "store.databases",
    "vl_convert": "project.chart_worker",
    "distributed": "run.executors",
    "dask_jobqueue": "run.batch",
}
BESIDE = {("fsspec", "api.filesystem")}  # is such a file system; the transport uses others' ones
SLOW = {"dataclasses": "core.record"}  # of the standard library: who wraps it
SHARED = {  # no use cases: what several of them do
    "ops.settings_edit",  # changing DVC's files
    "ops.own_settings",  # changing our own
    "ops.importing",  # checking, storing, recording and placing what comes from elsewhere
}
LONG = {}  # module: why it is over 400 lines
LINES = 400

OS_WRITES = set(
    "rename replace unlink remove link symlink mkdir makedirs rmdir removedirs renames chmod lchmod"
    " fchmod chown lchown fchown truncate ftruncate utime mkfifo mknod setxattr".split()
)
PATH_WRITES = set("write_text write_bytes touch mkdir unlink rmdir symlink_to hardlink_to".split())
SHUTIL_READS = {"which", "disk_usage", "get_terminal_size"}
WRITE_FLAGS = {"O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC", "O_APPEND", "O_TMPFILE"}


def package_of(module: str) -> str:
    return module.split(".")[0]


def imports_of(node: ast.AST) -> list[str]:
    """Full names that an import statement loads: a.b for `from a import b`, both may be modules."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return [f"{node.module}.{alias.name}" for alias in node.names]
    return []


def imports_inside_functions(tree: ast.AST) -> Iterator[ast.AST]:
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from (node for node in ast.walk(function) if imports_of(node))


def import_faults(module: str, tree: ast.AST) -> Iterator[str]:
    mine = package_of(module)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            yield "relative import"
            continue
        for name in imports_of(node):
            top, *rest = name.split(".")
            if top == "pannier" and rest and mine in RANK:
                other = rest[0]
                if other in RANK and other != mine and RANK[other] >= RANK[mine]:
                    way = "sideways" if RANK[other] == RANK[mine] else "upward"
                    yield f"{way} import of {name}"
                sibling = ".".join(rest[:2])
                if (
                    mine == other == "ops"
                    and sibling not in SHARED
                    and not f"pannier.{module}.".startswith(f"{'.'.join(name.split('.')[:3])}.")
                ):
                    yield f"an operation imports its sibling {name}"
            elif top in SLOW and module != SLOW[top]:
                yield f"import of {top}: take it from {SLOW[top]}, which starts faster"
            elif top not in {"pannier", "__future__"} and top not in sys.stdlib_module_names:
                owner = OWNER.get(top)
                if module != owner and (top, module) not in BESIDE:
                    yield f"import of {top}, which belongs to {owner or 'nobody: add it to OWNER'}"
    if module not in LATE:
        for node in imports_inside_functions(tree):
            for name in imports_of(node):
                if name.split(".")[0] == "pannier":
                    yield f"import of {name} inside a function"


def is_write_mode(call: ast.Call, position: int) -> bool:
    """Tells whether an open() call names a mode that writes, or one that cannot be read here."""
    named = [keyword.value for keyword in call.keywords if keyword.arg == "mode"]
    given = named or call.args[position : position + 1]
    if not given:
        return False
    mode = given[0]
    return not (isinstance(mode, ast.Constant) and not set(str(mode.value)) & set("wax+"))


def write_faults(tree: ast.AST) -> Iterator[str]:
    """Calls that change the file system. Functions of our own disk package are not among them."""
    ours = {
        (alias.asname or alias.name).split(".")[-1]
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("pannier")
        for alias in node.names
    }
    for node in ast.walk(tree):
        for name in imports_of(node):
            top, _, leaf = name.partition(".")
            if isinstance(node, ast.ImportFrom) and top == "os" and leaf in OS_WRITES:
                yield f"import of {name}"
            if top == "tempfile" or (top == "shutil" and leaf and leaf not in SHUTIL_READS):
                yield f"import of {name}"
        if not isinstance(node, ast.Call):
            continue
        called = node.func
        if isinstance(called, ast.Name) and called.id == "open" and is_write_mode(node, 1):
            yield "open() for writing"
        if not isinstance(called, ast.Attribute):
            continue
        base = called.value.id if isinstance(called.value, ast.Name) else ""
        if base == "os" and called.attr in OS_WRITES:
            yield f"os.{called.attr}"
        elif base == "os" and called.attr == "open":
            used = {n.attr for n in ast.walk(node) if isinstance(n, ast.Attribute)}
            if used & WRITE_FLAGS:
                yield "os.open for writing"
        elif base == "shutil" and called.attr not in SHUTIL_READS:
            yield f"shutil.{called.attr}"
        elif base not in ours and called.attr in PATH_WRITES:
            yield f".{called.attr}()"


def print_faults(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id == "print":
            yield "print"
        if (
            isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id == "sys"
            and node.attr in {"stdout", "stderr", "__stdout__", "__stderr__"}
        ):
            yield f"sys.{node.attr}"


def faults(module: str, source: str) -> list[str]:
    """What is wrong with one module, named from below the package: 'store.remote'."""
    tree = ast.parse(source)
    found = list(import_faults(module, tree))
    if package_of(module) != "disk":
        found += write_faults(tree)
    if package_of(module) not in {"cli", "ui"}:
        found += print_faults(tree)
    if module == "":
        found += [f"the package imports {n}" for node in tree.body for n in imports_of(node)]
    lines = source.count("\n")
    if lines > LINES and module not in LONG:
        found.append(f"{lines} lines, more than {LINES}")
    return found


def modules() -> dict[str, Path]:
    named = {}
    for path in sorted(SOURCE.rglob("*.py")):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        named[".".join(part for part in parts if part != "__init__")] = path
    return named


def test_every_module_keeps_the_rules_of_the_house() -> None:
    found = [
        f"{path.relative_to(SOURCE.parent)}: {fault}"
        for module, path in modules().items()
        for fault in faults(module, path.read_text())
    ]

    assert [] == found


def test_every_package_has_its_place_in_the_order() -> None:
    packages = {path.name for path in SOURCE.iterdir() if (path / "__init__.py").exists()}

    assert set() == packages - set(RANK)


def test_the_lists_of_exceptions_name_modules_that_exist() -> None:
    assert set() == (set(LONG) | LATE | set(OWNER.values())) - set(modules())


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("store.x", "from pannier.project.index import Index"),
        ("store.x", "import pannier.cli.main"),
        ("store.x", "from pannier.git import read"),
        ("formats.x", "from pannier import disk"),
        ("ops.add", "from pannier.ops.commit import commit"),
        ("ops.add", "def f():\n    from pannier.core import path"),
        ("ops.add", "from ..core import path"),
        ("core.x", "import yaml"),
        ("core.x", "from dataclasses import dataclass"),
        ("core.x", "def f():\n    import requests"),
        ("core.x", "open(p, 'wb')"),
        ("core.x", "open(p, mode='r+')"),
        ("core.x", "open(p, mode)"),
        ("core.x", "import os\nos.replace(a, b)"),
        ("core.x", "import os\nos.open(a, os.O_RDONLY | os.O_CREAT)"),
        ("core.x", "from os import unlink"),
        ("core.x", "import shutil\nshutil.rmtree(a)"),
        ("core.x", "import tempfile"),
        ("core.x", "p.write_text('')"),
        ("core.x", "print(1)"),
        ("core.x", "import sys\nsys.stdout.write('')"),
        ("", "import os"),
        ("core.x", "\n" * 401),
    ],
)
def test_a_broken_rule_is_found(module: str, source: str) -> None:
    assert [] != faults(module, source)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("store.x", "from pannier.core import path\nfrom pannier.disk import fsio\nfsio.unlink(p)"),
        ("ops.add", "from pannier.project import workspace"),
        ("formats.yamlio", "def f():\n    import ruamel.yaml"),
        ("disk.x", "import os\nos.replace(a, b)"),
        ("cli.ui", "import sys\nprint(sys.stderr)"),
        ("cli.table", "def f():\n    from pannier.cli.commands import add"),
        ("core.x", "open(p)\nopen(p, 'rb')\n'a'.replace('a', 'b')"),
    ],
)
def test_what_the_rules_allow_is_not_complained_of(module: str, source: str) -> None:
    assert [] == faults(module, source)
