"""What `cache verify` and `remote verify` share: options in, findings out."""

from __future__ import annotations

import shlex

from pannier.cli.context import Context, Options
from pannier.cli.render import json_line
from pannier.ops.verify import Finding, VerifyOptions, VerifyReport


def options_of(opts: Options) -> VerifyOptions:
    return VerifyOptions(
        repair=opts.repair,
        sample=opts.sample,
        remote=getattr(opts, "remote", None),
        jobs=getattr(opts, "jobs", None),
    )


def tell(ctx: Context, opts: Options, report: VerifyReport, place: str, bring: str) -> int:
    """One line for each finding, with what to type; then the sum. Returns the exit code.

    bring: the command by which a good copy comes, once somebody has one.
    """
    if opts.json:
        ctx.ui.write(json_line(_as_json(report)))
    else:
        for finding in report.findings:
            ctx.ui.write(_line(ctx, opts, finding, place, bring))
        for finding in report.unread:
            if finding.problem != report.gone:
                ctx.ui.write(f"{_named(finding)}: it could not be read: {finding.problem}")
        if report.gone:
            ctx.ui.write(
                f"The {place} does not answer any more and is asked for nothing else: {report.gone}"
            )
        ctx.ui.write(_sum(report, place))
    return 0 if report.clean else 1


def _line(ctx: Context, opts: Options, finding: Finding, place: str, bring: str) -> str:
    text = f"{_named(finding)}: {finding.problem}"
    if finding.moved_to:
        text += f"; moved to '{finding.moved_to}'"
    if finding.repaired:
        return f"{text}; repaired from {finding.repaired}"
    if not opts.repair:
        return f"{text}; repair it: {ctx.program} {_again(opts)} --repair"
    if finding.versioned:
        return f"{text}; not repaired: that takes a good copy, and an output that may be pushed"
    if finding.in_place:
        return f"{text}; it is still in its place in the {place}"
    return f"{text}; no good copy was found; when somebody has one: {bring}"


def _named(finding: Finding) -> str:
    path = f" ({shlex.quote(finding.path)})" if finding.path else ""
    return f"{finding.name}{path}"


def _again(opts: Options) -> str:
    remote = getattr(opts, "remote", None)
    words = "cache verify" if not hasattr(opts, "jobs") else "remote verify"
    return f"{words} -r {shlex.quote(remote)}" if remote else words


def _sum(report: VerifyReport, place: str) -> str:
    share = "" if report.checked == report.total else f" of {report.total}"
    objects = f"Checked {report.checked}{share} objects, {report.size_bytes} bytes, of the {place}"
    unread = f" {len(report.unread)} could not be read." if report.unread else ""
    if not report.findings:
        return f"{objects}: all are what their names say.{unread}"
    repaired = len(report.findings) - len(report.left)
    found = f"{len(report.findings)} wrong or missing, {repaired} of them repaired."
    return f"{objects}: {found}{unread}"


def _as_json(report: VerifyReport) -> dict[str, object]:
    return {
        "total": report.total,
        "checked": report.checked,
        "bytes": report.size_bytes,
        "damaged": [
            {
                "hash": finding.algorithm,
                "digest": finding.name,
                "problem": finding.problem,
                "path": finding.path or None,
                "quarantine": finding.moved_to or None,
                "repaired_from": finding.repaired or None,
            }
            for finding in report.findings
        ],
        "unread": [
            {
                "hash": finding.algorithm,
                "digest": finding.name,
                "problem": finding.problem,
                "path": finding.path or None,
            }
            for finding in report.unread
        ],
        "gone": report.gone or None,
        "clean": report.clean,
    }
