"""dvc cache migrate."""

from __future__ import annotations

from pannier.cli import table
from pannier.cli.context import Context, Options
from pannier.cli.selection import shown_paths
from pannier.formats.pointer import is_pipeline_name
from pannier.ops.migrate import MigrateOptions, MigrateReport, migrate


def run(ctx: Context, opts: Options) -> int:
    ctx.opened = table.open_project(ctx.cwd)
    ctx.ui.mask.learn(ctx.opened.settings.secret_values())
    options = MigrateOptions(files=opts.dvc_files, dry=opts.dry)
    with ctx.opened.lock(ctx.wait_for_lock):
        report = migrate(ctx.opened, options, ctx.ui.progress)
    if opts.dry:
        _show_plan(ctx, report, options)
        return 0
    ctx.ui.write(f"Migrated {report.objects} files to DVC 3.0 cache location.")
    if options.files:
        _show_files(ctx, report)
    if report.damaged:
        ctx.ui.error(
            f"{len(report.damaged)} old objects are damaged; they are in quarantine and were not "
            "migrated:\n" + "\n".join(report.damaged),
            "bring them again with 'dvc fetch', then repeat the command",
        )
    if report.left:
        ctx.ui.error(
            "these keep their old form, for their data is not known:\n"
            + "\n".join(f"{path}: {why}" for path, why in report.left),
            "bring the data with 'dvc pull', then repeat the command",
        )
    return 1 if report.damaged or report.left else 0


def _show_plan(ctx: Context, report: MigrateReport, options: MigrateOptions) -> None:
    ctx.ui.write(
        f"{report.objects} files will be re-hashed and migrated to the DVC 3.0 cache location."
    )
    if not options.files:
        return
    if not report.changed:
        ctx.ui.write(_NONE)
        return
    ctx.ui.write("Entries in following DVC files will be migrated to the 3.0 format:")
    for path in shown_paths(ctx, report.changed):
        lock = f" ({path.removesuffix('.yaml')}.lock)" if is_pipeline_name(path) else ""
        ctx.ui.write(f"\t{path}{lock}")


def _show_files(ctx: Context, report: MigrateReport) -> None:
    if not report.changed and not report.left:
        ctx.ui.write(_NONE)
    for path in shown_paths(ctx, report.changed):
        kind = "lock" if path.endswith(".lock") else "DVC"
        ctx.ui.write(f"Updating {kind} file '{path}'")
    if report.to_commit and not report.staged and ctx.project.git is not None:
        ctx.ui.track_hint(shown_paths(ctx, report.to_commit))


_NONE = "No DVC files in the repo to migrate to the 3.0 format."
