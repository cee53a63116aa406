"""dvc repro."""

from __future__ import annotations

from argparse import ArgumentParser

from pannier.cli.amounts import positive
from pannier.cli.context import Context, Options
from pannier.cli.running import Teller
from pannier.cli.selection import root_cwd, shown_paths
from pannier.cli.sources import Sources
from pannier.cli.table import PULL_DATA, load
from pannier.core.record import replace
from pannier.core.verdict import BRING, RUN, SKIP
from pannier.ops.repro import ReproOptions, dry, repro
from pannier.run.coordinator import FAIL, IGNORE, KEEP_GOING
from pannier.run.work import RunOptions, lines_of


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "targets", nargs="*", help="Stages, dvc.yaml or .dvc files (default: ./dvc.yaml)."
    )
    for short, long, text in (
        ("-f", "--force", "Run stages that did not change, too."),
        ("-i", "--interactive", "Ask before each stage."),
        ("-s", "--single-item", "Only the targets, nothing that they need."),
        ("-p", "--pipeline", "The whole pipelines that the targets belong to."),
        ("-P", "--all-pipelines", "All pipelines of the project."),
        ("-R", "--recursive", "Targets are directories; all stages below them."),
    ):
        parser.add_argument(short, long, action="store_true", help=text)
    for long, text in (
        ("--downstream", "Start with the targets and go on with what needs them."),
        ("--force-downstream", "What needs a stage that ran, runs too."),
        ("--pull", "Bring missing data from the remote, and the run cache."),
        ("--allow-missing", "Skip unchanged stages whose data is missing."),
        ("--dry", "Only tell what would be run."),
        ("--explain", "Tell why each stage is run."),
        ("--glob", "Targets are shell patterns."),
        ("--no-commit", "Do not store outputs in the cache."),
        ("--no-run-cache", "Run commands also where the run cache knows the result."),
    ):
        parser.add_argument(long, action="store_true", help=text)
    for names, value, text in (  # with both the last one counts, as with DVC
        (
            ("-k", "--keep-going"),
            KEEP_GOING,
            "When a stage fails, go on with those that do not need it.",
        ),
        (("--ignore-errors",), IGNORE, "When a stage fails, go on with all others."),
    ):
        parser.add_argument(
            *names, action="store_const", const=value, default=FAIL, dest="on_error", help=text
        )
    parser.add_argument(
        "-j",
        "--jobs",
        type=positive,
        metavar="<number>",
        help="How many stages may run at once (default: 1, or as many as an executor has).",
    )
    parser.add_argument(
        "--executor",
        default="local",
        metavar="<name>",
        help="Where commands run: dask://host:port, or a name of the settings (default: local).",
    )
    parser.add_argument(
        "-r", "--remote", metavar="<name>", help="Remote that the workers of an executor share."
    )


def run(ctx: Context, opts: Options) -> int:
    sources = Sources(ctx)
    options = ReproOptions(
        cwd=root_cwd(ctx),
        recursive=opts.recursive,
        glob=opts.glob,
        single=opts.single_item,
        pipeline=opts.pipeline,
        all_pipelines=opts.all_pipelines,
        downstream=opts.downstream,
        force_downstream=opts.force_downstream,
        on_error=opts.on_error,
        jobs=opts.jobs,
        executor=opts.executor,
        remote=opts.remote,
        run=RunOptions(
            cwd=root_cwd(ctx),
            force=opts.force,
            interactive=opts.interactive or ctx.project.settings.flag("core.interactive"),
            allow_missing=opts.allow_missing,
            commit=not opts.no_commit,
            run_cache=not opts.no_run_cache,
            ask_source=sources.ask_unless_frozen,
            measure_far=sources.measure,
            bring_import=sources.bring,
        ),
    )
    if opts.executor != "local":
        load(PULL_DATA).bring_records(ctx, opts.remote)
    if opts.pull:
        pulling = load(PULL_DATA)
        fetch, bring = pulling.puller(ctx), pulling.bring_objects(ctx)
        options = replace(options, run=replace(options.run, fetch=fetch, bring_objects=bring))
    teller = Teller(
        ctx, explain=opts.explain, together=(opts.jobs or 1) > 1 or opts.executor != "local"
    )
    if opts.dry:
        return _tell_dry(ctx, opts, options, teller)
    wait = ctx.wait_for_lock
    report = repro(
        ctx.project,
        opts.targets,
        options,
        lambda always: ctx.project.lock(wait or always),
        teller,
        ctx.ui.progress,
    )
    if not report.stages:
        ctx.ui.write("Data and pipelines are up to date.")
        return 0
    if not report.staged and ctx.project.git is not None:
        ctx.ui.track_hint(shown_paths(ctx, report.changed))
    ctx.ui.write("Use `dvc push` to send your updates to remote storage.")
    return 0


def _tell_dry(ctx: Context, opts: Options, options: ReproOptions, teller: Teller) -> int:
    acts = False
    for it in dry(ctx.project, opts.targets, options, teller, ctx.ui.progress):
        stage, verdict = it.stage, it.verdict
        acts |= verdict.action != SKIP and not it.gone
        if stage.frozen and not stage.is_import:
            teller.frozen(stage)
        if it.gone:
            teller.failed(stage, it.gone, list(it.skipped), ignored=opts.on_error == IGNORE)
        elif verdict.action == SKIP:
            teller.unchanged(stage, list(it.waits))
        elif it.known:
            teller.restored(stage, verdict)
        elif verdict.action == RUN:
            teller.running(stage, verdict)
            for line in lines_of(stage):
                teller.command(0, stage.address, line)
        elif verdict.action == BRING:
            teller.bringing(stage, verdict)
        else:
            teller.verifying(stage, verdict)
    if acts:
        ctx.ui.write("Use `dvc push` to send your updates to remote storage.")
    else:
        ctx.ui.write("Data and pipelines are up to date.")
    return 0
