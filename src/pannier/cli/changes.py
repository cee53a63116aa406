"""What a checkout changed, as lines and as sums."""

from __future__ import annotations

from collections.abc import Iterator

from pannier.ops.checkout import CheckoutReport


def changed_lines(report: CheckoutReport) -> Iterator[str]:
    """`M       name`, then A, then D: one line an output, as DVC prints them."""
    for letter, names in (("M", report.modified), ("A", report.added), ("D", report.deleted)):
        for name in names:
            yield f"{letter}\t{name}".expandtabs()


def counted(count: int) -> str:
    return f"{count} file" if count == 1 else f"{count} files"


def totals(report: CheckoutReport) -> list[str]:
    """`2 files modified`, ... without what did not happen."""
    sums = (
        ("modified", report.files_modified),
        ("added", report.files_added),
        ("deleted", report.files_deleted),
    )
    return [f"{counted(count)} {verb}" for verb, count in sums if count]


def joined(parts: list[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    if len(parts) < 2:
        return "".join(parts)
    return ", ".join(parts[:-1]) + " and " + parts[-1]
