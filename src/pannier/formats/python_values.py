"""Parameters in Python files: literals and class attributes, read and never executed.

Source: docs/formats.md, section 10.3.
"""

from __future__ import annotations

import ast
import warnings

from pannier.core.errors import InvalidFile
from pannier.core.typed import Any
from pannier.formats.yamlio import MAX_BYTES


def parse(data: bytes, path: str) -> dict[str, Any]:
    """Reads the names that a module assigns a literal to, and those of its classes.

    A class becomes a mapping of its attributes, of what its `__init__` assigns to `self`, and of
    its inner classes. Only whole statements at the top of the module, class or `__init__` count:
    nothing below `if`, `for` or `def`. The last assignment wins. Raises InvalidFile.
    """
    if len(data) > MAX_BYTES:
        raise InvalidFile(path, f"it is bigger than {MAX_BYTES} bytes")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a bad escape in a string is not ours to tell
            tree = ast.parse(data.decode("utf-8"))
        return _module(tree)
    except UnicodeDecodeError:
        raise InvalidFile(path, "it is not UTF-8") from None
    except SyntaxError as error:
        raise InvalidFile(
            path, error.msg, line=error.lineno, column=error.offset, text=error.text
        ) from None
    except (ValueError, RecursionError, MemoryError):  # a NUL, or nested too deep for the parser
        raise InvalidFile(path, "Python file structure is corrupted") from None


def _module(tree: ast.Module) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for statement in tree.body:
        if isinstance(statement, ast.ClassDef):
            found[statement.name] = _class(statement)
        else:
            _assign(statement, found, _name)
    return found


def _class(node: ast.ClassDef) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for statement in node.body:
        if isinstance(statement, ast.ClassDef):
            found[statement.name] = _class(statement)
        elif isinstance(statement, ast.FunctionDef):
            if statement.name == "__init__":
                for inner in statement.body:
                    _assign(inner, found, _name_on_self)
        else:
            _assign(statement, found, _name)
    return found


def _assign(statement: ast.stmt, found: dict[str, Any], name_of: Any) -> None:
    """Notes `name = literal` and `name: kind = literal`; everything else is passed over."""
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        target, value = statement.targets[0], statement.value
    elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
        target, value = statement.target, statement.value
    else:
        return
    name = name_of(target)
    if name is None:
        return
    try:
        found[name] = _as_data(ast.literal_eval(value))
    except (ValueError, TypeError, SyntaxError):
        return  # an expression: only running it would tell its value


def _name(target: ast.expr) -> str | None:
    return target.id if isinstance(target, ast.Name) else None


def _name_on_self(target: ast.expr) -> str | None:
    if isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name):
        return target.attr if target.value.id == "self" else None
    return None


def _as_data(value: Any) -> Any:
    """Tuples as lists: that is what a lock file makes of them, so that both compare equal."""
    if isinstance(value, list | tuple):
        return [_as_data(item) for item in value]
    if isinstance(value, dict):
        return {key: _as_data(item) for key, item in value.items()}
    return value
