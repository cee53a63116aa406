"""Amounts as they are typed."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError


def add_rate(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--limit-rate",
        type=rate,
        metavar="<rate>",
        help="Bytes per second at most; 500k, 10M and 1G are known.",
    )


def rate(text: str) -> int:
    """Bytes per second out of what was typed, in steps of 1024 as curl's and rsync's."""
    units = {"k": 10, "m": 20, "g": 30}
    number, unit = (text[:-1], text[-1:].lower()) if text[-1:].lower() in units else (text, "")
    try:
        bytes_per_s = int(float(number) * 2 ** units.get(unit, 0))
    except (ValueError, OverflowError):
        bytes_per_s = 0
    if bytes_per_s < 1 or not number[:1].isdigit():
        raise ArgumentTypeError(
            f"'{text}' is no rate: a number of bytes per second, as 500k or 10M"
        )
    return bytes_per_s


def positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise ArgumentTypeError(f"'{text}' is no whole number above zero")
    return int(text)
