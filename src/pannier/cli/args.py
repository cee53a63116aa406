"""The command line: only the parser of the command that was given is built.

argparse does the work, so that prefixes of long options, mixed order and the words of errors and
helps are what DVC's users know. What is wrong with a line is told by exceptions; nothing here
prints or exits.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from functools import cache

from pannier.cli import table
from pannier.core.typed import Any, NoReturn

DOCS = "https://man.dvc.org"
_WITH_VALUE = ("--cd", "--cprofile-dump", "--viztracer-depth")
_HIDDEN_FLAGS = (
    "--cprofile",
    "--yappi",
    "--yappi-separate-threads",
    "--viztracer",
    "--viztracer-async",
    "--instrument",
    "--instrument-open",
    "--pdb",
    "--show-stack",
    "--ss",
)


class BadCommandLine(Exception):
    """A line that cannot be run. parser: the one that failed; its help is shown."""

    hint: str | None = None

    def __init__(self, message: str, parser: Parser) -> None:
        super().__init__(message)
        self.message, self.parser = message, parser


class HelpWanted(Exception):
    """--help was given. text: the help."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


class VersionWanted(Exception):
    pass


class Parser(argparse.ArgumentParser):
    """argparse's parser, which tells instead of printing and exiting."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(**kwargs)

    def _get_formatter(self) -> argparse.HelpFormatter:
        # argparse asks for one at every argument that is added, and would import shutil each
        # time to find out how wide the terminal is.
        return self.formatter_class(prog=self.prog, width=_width())  # type: ignore[call-arg]

    def error(self, message: str) -> NoReturn:
        raise BadCommandLine(message, self)

    def print_help(self, file: Any = None) -> None:
        raise HelpWanted(self.format_help())


@cache
def _width() -> int:
    """Columns for a help: of COLUMNS, of the terminal, or 80; less two, as argparse has it."""
    columns = os.environ.get("COLUMNS", "")
    if columns.isdigit() and int(columns) > 0:
        return int(columns) - 2
    try:
        return (os.get_terminal_size(1).columns or 80) - 2
    except OSError:
        return 78


class _Verbosity(argparse.Action):
    """-q and -v count wherever they stand; the last kind wins over an earlier one."""

    seen: list[str]

    def __call__(self, parser: Any, namespace: Any, values: Any, option: Any = None) -> None:
        self.seen.append(self.dest)


class Line:
    """One parsed command line. command: None when only the program's help was needed."""

    def __init__(self, name: str, opts: argparse.Namespace, seen: list[str]) -> None:
        self.command = table.COMMANDS[name]
        self.opts = opts
        kind = seen[-1] if seen else ""
        self.quiet = kind == "quiet"
        self.verbose = seen.count("verbose") if kind == "verbose" else 0


def parse(argv: Sequence[str], program: str) -> Line:
    """Raises BadCommandLine, HelpWanted, VersionWanted."""
    try:
        return _parse(argv, program, _spoken_command(argv))
    except BadCommandLine as bad:
        if bad.parser.prog != program:
            raise
    try:
        return _parse(argv, program, None)  # the program's own help lists all commands
    except BadCommandLine as bad:
        bad.hint = _meant(bad.message, program)
        raise


def _parse(argv: Sequence[str], program: str, spoken: str | None) -> Line:
    """spoken: the command to build; None builds the names of all, for the help and for errors."""
    seen: list[str] = []
    main = _main_parser(program, seen)
    commands = main.add_subparsers(
        prog=program,  # else argparse formats a usage to find it out, and looks at the terminal
        title="Available Commands",
        metavar="command",
        dest="command",
        required=True,
        help=f"Use `{program} command --help` for command-specific help.",
    )
    if spoken is None:
        for name, command in table.COMMANDS.items():
            shown: dict[str, Any] = {} if command.hidden else {"help": command.summary}
            commands.add_parser(name, aliases=command.aliases, add_help=False, **shown)
    else:
        _add_chosen(commands, spoken, seen)
    opts, extra = main.parse_known_args(list(argv))
    if spoken is None:
        return _parse(argv, program, opts.command)
    if extra:
        opts.parser.error(f"unrecognized arguments: {' '.join(extra)}")
    return Line(table.NAMES[spoken], opts, seen)


def _spoken_command(argv: Sequence[str]) -> str | None:
    """The known command that a line names, unless something before it already ends the run."""
    words = iter(argv)
    for word in words:
        if not word.startswith("-") or word == "-":
            return word if word in table.NAMES else None
        if word == "--" or "--help".startswith(word) or "h" in _short_flags(word):
            return None
        if any(option.startswith(word) for option in _WITH_VALUE):
            next(words, None)
    return None


def _meant(message: str, program: str) -> str | None:
    """A hint with the command whose name is most like the one that argparse refused."""
    from difflib import get_close_matches  # only a mistyped line needs it

    refused = message.partition("invalid choice: '")[2].partition("'")[0]
    shown = [name for name, command in table.NAMES.items() if not table.COMMANDS[command].hidden]
    return next((f"'{program} {name}'" for name in get_close_matches(refused, shown, 1)), None)


def _short_flags(word: str) -> str:
    return "" if word.startswith("--") else word[1:]


def _main_parser(program: str, seen: list[str]) -> Parser:
    parser = Parser(
        prog=program,
        description="Data Version Control",
        add_help=False,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    add_verbosity(parser, seen)
    parser.add_argument("-h", "--help", action="help", help="Show this help message and exit.")
    parser.add_argument("-V", "--version", action=_Version, nargs=0, help="Show program's version.")
    parser.add_argument(
        "--cd", metavar="<path>", default=".", help="Change to directory before executing."
    )
    parser.add_argument(
        "--wait-for-lock",
        action="store_true",
        help="Wait for the lock if it is already held by another process, instead of failing"
        " immediately.",
    )
    add_hidden(parser)
    parser.set_defaults(parser=parser)
    return parser


def add_hidden(parser: Any) -> None:
    """Switches of DVC's developers: accepted everywhere, without effect."""
    for flag in _HIDDEN_FLAGS:
        parser.add_argument(flag, action="store_true", help=argparse.SUPPRESS)
    for option in _WITH_VALUE[1:]:
        parser.add_argument(option, help=argparse.SUPPRESS)


class _Version(argparse.Action):
    def __call__(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise VersionWanted


def _add_chosen(commands: Any, spoken: str, seen: list[str]) -> None:
    name = table.NAMES[spoken]
    command = table.COMMANDS[name]
    module = table.load(command)
    parser = commands.add_parser(
        name,
        aliases=command.aliases,
        description=getattr(module, "DESCRIPTION", None) or described(command.summary, name),
        add_help=getattr(module, "HAS_HELP", True),
    )
    parser.seen = seen
    if command.level:
        add_level(parser)
    add_verbosity(parser, seen)
    add_hidden(parser)
    parser.set_defaults(parser=parser, run=module.run)
    module.add_arguments(parser)


def all_parsers(program: str) -> list[Parser]:
    """The program's own parser, then that of every command in its help."""
    parsers = [_main_parser(program, [])]
    for name, command in table.COMMANDS.items():
        if not command.hidden:
            commands = _main_parser(program, []).add_subparsers(prog=program)
            _add_chosen(commands, name, [])
            parsers.append(commands.choices[name])
    return parsers


# -- what commands build their parsers from ------------------------------------------------------


def described(summary: str, page: str) -> str:
    """A command's description: its summary and the page of the manual."""
    return f"{summary}\nDocumentation: <{DOCS}/{page}>"


def add_verbosity(parser: Any, seen: list[str]) -> None:
    group = parser.add_mutually_exclusive_group()
    for short, dest in (("-q", "quiet"), ("-v", "verbose")):
        action = group.add_argument(
            short, f"--{dest}", action=_Verbosity, nargs=0, dest=dest, help=f"Be {dest}."
        )
        action.seen = seen
        action.default = argparse.SUPPRESS


def add_level(parser: Any) -> None:
    """--global, --system, --project, --local: opts.level is None when none was given."""
    group = parser.add_mutually_exclusive_group()
    for level, dest, file in (
        ("global", "global", "global config"),
        ("system", "system", "system config"),
        ("repo", "project", "project config (.dvc/config)"),
        ("local", "local", "local config (.dvc/config.local)"),
    ):
        group.add_argument(
            f"--{dest}", dest="level", action="store_const", const=level, help=f"Use {file}."
        )


def add_group(parser: Any, page: str) -> Callable[..., Any]:
    """Sub-commands of a command. Returns add(name, summary, run, ...) -> their parser.

    page: of the manual, for the group. add takes level: None, or where the options of a level
    stand, "first" or "last"; description: when it is not the summary; link: to the manual.
    """
    program, _, _ = parser.prog.partition(" ")
    group = parser.add_subparsers(
        prog=parser.prog,
        dest="cmd",
        required=True,
        help=f"Use `{program} {page} CMD --help` for command-specific help.",
    )

    def add(
        name: str,
        summary: str,
        run: Callable[..., int],
        *,
        level: str | None = None,
        description: str | None = None,
        link: bool = True,
    ) -> Any:
        text = description or summary
        sub = group.add_parser(
            name, help=summary, description=described(text, f"{page}/{name}") if link else text
        )
        if level == "first":
            add_level(sub)
        add_verbosity(sub, parser.seen)
        if level == "last":
            add_level(sub)
        add_hidden(sub)
        sub.seen = parser.seen
        sub.set_defaults(parser=sub, run=run)
        return sub

    return add
