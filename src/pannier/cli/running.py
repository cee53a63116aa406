"""Telling what happens to stages while it happens, in DVC's words on standard output.

Of commands that run at once every line is told with the name of its stage before it, and written to
a log file a stage; what runs and since when stands in the bars of a terminal.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager

from pannier.cli.context import Context
from pannier.cli.selection import root_cwd
from pannier.core.events import Task
from pannier.core.path import relative
from pannier.core.stage import Stage
from pannier.core.verdict import Verdict
from pannier.project.stage_logs import StageLogs


class Teller:
    """A Narrator for the terminal. explain: reasons are told. together: several stages run at
    once."""

    def __init__(self, ctx: Context, *, explain: bool, together: bool) -> None:
        self._ui, self._cwd = ctx.ui, root_cwd(ctx)
        self._confirm = ctx.ui.confirm
        self._explain, self._together = explain, together
        self._logs = StageLogs(ctx.project) if together else None
        self._cut: dict[int, bytes] = {}
        self._bars: dict[str, Task] = {}
        self._lock = threading.Lock()

    def unchanged(self, stage: Stage, waits: Sequence[Stage] = ()) -> None:
        """waits: stages that would run before it, so that it may change yet."""
        if stage.name is None and stage.is_data_source:
            self._ui.write(f"'{self._name(stage)}' didn't change, skipping")
        else:
            self._ui.write(f"Stage '{self._name(stage)}' didn't change, skipping")
        if waits and self._explain:
            names = ", ".join(f"'{self._name(one)}'" for one in waits)
            self._ui.write(f"  unless what it needs is another after {names}")

    def frozen(self, stage: Stage) -> None:
        self._ui.warn(
            f"stage: '{self._name(stage)}' is frozen. Its dependencies are not going to be"
            " reproduced."
        )

    def verifying(self, stage: Stage, verdict: Verdict) -> None:
        what = "outputs" if stage.frozen else "data sources"
        frozen = "frozen " if stage.frozen else ""
        self._ui.write(f"Verifying {what} in {frozen}stage: '{self._name(stage)}'")
        self._because(verdict)

    def bringing(self, stage: Stage, verdict: Verdict) -> None:
        """What a dry run tells; the run itself tells it when it knows more."""
        dep, path = stage.deps[0], relative(stage.path_of(stage.outs[0]), self._cwd)
        source = dep.path if dep.repo is None else f"{dep.path} ({dep.repo['url']})"
        self._ui.write(f"Importing '{source}' -> '{path}'")
        self._because(verdict)

    def restored(self, stage: Stage, verdict: Verdict) -> None:
        self._ui.write(
            f"Stage '{self._name(stage)}' is cached - skipping run, checking out outputs"
        )
        self._because(verdict)

    def running(self, stage: Stage, verdict: Verdict) -> None:
        self._ui.write(f"Running stage '{self._name(stage)}':")
        self._because(verdict)
        if self._together:
            label = f"{self._name(stage)} since {time.strftime('%H:%M:%S')}"
            self._bars[self._name(stage)] = self._ui.progress.task(label, None, "line")

    def command(self, number: int, name: str, line: str) -> None:
        if self._together:
            self._ui.write(f"{name}> {line}")
        else:
            self._ui.write(f"> {line}")
            if sys.stdout is not None:
                sys.stdout.flush()  # the command writes to it next

    def output(self, number: int, name: str, data: bytes) -> None:
        assert self._logs is not None
        with self._lock:
            self._logs.append(name, data)
            *lines, self._cut[number] = (self._cut.get(number, b"") + data).split(b"\n")
        bar = self._bars.get(name)
        for line in lines:
            self._ui.write(f"{name}| {line.decode('utf-8', 'replace')}")
            if bar is not None:
                bar.advance()

    def recorded(self, path: str, *, is_new: bool) -> None:
        shown = relative(path, self._cwd)
        if is_new:
            self._ui.write(f"Generating lock file '{shown}'")
        self._ui.write(f"Updating lock file '{shown}'")

    def failed(self, stage: Stage, reason: str, skipped: list[Stage], *, ignored: bool) -> None:
        self._close(stage)
        self._ui.warn(f"{reason} (ignored)" if ignored else reason)
        for other in skipped:
            self._ui.warn(f"Stage '{self._name(other)}' will be skipped due to this failure")

    def waiting(self, stage: Stage, why: str) -> None:
        self._ui.warn(f"stage '{self._name(stage)}': {why}")

    def ended(self, stage: Stage, *, last: bool) -> None:
        self._close(stage)
        if not last:
            self._ui.write()

    def hidden(self) -> AbstractContextManager[None]:
        return self._ui.progress.hidden()

    def confirm(self, stage: Stage) -> bool:
        return self._confirm(
            f"Going to reproduce stage: '{self._name(stage)}'. Are you sure you want to continue?"
        )

    def _close(self, stage: Stage) -> None:
        bar = self._bars.pop(self._name(stage), None)
        if bar is not None:
            bar.close()

    def _because(self, verdict: Verdict) -> None:
        if self._explain:
            for reason in verdict.reasons:
                self._ui.write(f"  because {reason}")

    def _name(self, stage: Stage) -> str:
        return stage.address_from(self._cwd)
