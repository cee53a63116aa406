"""The names that annotations need, without `typing`: importing that takes as long as `--version`.

Annotations are never evaluated here (`from __future__ import annotations`), so the names only have
to be there; a type checker sees the real ones. What makes classes at run time (`TypeVar`,
`Generic`, `NamedTuple`) is imported from `typing` itself, in modules that few commands load.
"""

from __future__ import annotations

TYPE_CHECKING = False

if TYPE_CHECKING:
    from typing import Any as Any
    from typing import NoReturn as NoReturn
    from typing import Protocol as Protocol
    from typing import TextIO as TextIO
    from typing import TypeAlias as TypeAlias
else:
    Any = NoReturn = TextIO = TypeAlias = object

    class Protocol:
        """Nothing: whoever keeps to a protocol need not inherit from it."""
