"""dvc version, dvc doctor."""

from __future__ import annotations

from argparse import ArgumentParser

from pannier import DVC_LEVEL, __version__
from pannier.cli.context import Context, Options
from pannier.ops.doctor import NO_CACHE, ProjectReport, describe_project, installation
from pannier.project.config_files import dvc_dir_of
from pannier.project.settings import load_settings


def add_arguments(parser: ArgumentParser) -> None:
    pass


def run(ctx: Context, opts: Options) -> int:
    title = f"DVC version: {DVC_LEVEL} (pannier {__version__})"
    found = installation()
    lines = [title, "-" * len(title), f"Platform: {found.platform}", "Subprojects:"]
    lines += [f"\t{name} = {version}" for name, version in found.libraries]
    transports = [
        f"\t{scheme} ({', '.join(f'{name} = {version}' for name, version in libraries)})"
        for scheme, libraries in found.transports
    ]
    lines += ["Supports:", ",\n".join(transports)] if transports else ["Supports: local"]
    lines += ["Config:", f"\tGlobal: {found.global_dir}", f"\tSystem: {found.system_dir}"]
    if found.mirrors.count:
        count = f"{found.mirrors.count} repositor{'y' if found.mirrors.count == 1 else 'ies'}"
        lines.append(
            f"Mirrors: {count}, {found.mirrors.size_bytes:,} bytes, in {found.mirrors.folder}"
        )
    dvc_dir = dvc_dir_of(ctx.cwd)
    if dvc_dir is not None:
        settings = load_settings(dvc_dir)
        lines += _project_lines(describe_project(dvc_dir.removesuffix("/.dvc"), settings))
    ctx.ui.write("\n".join(lines))
    return 0


def _project_lines(report: ProjectReport) -> list[str]:
    kinds = NO_CACHE if report.link_kinds is None else ", ".join(report.link_kinds) or "copy"
    lines = [f"Cache types: {kinds}"]
    if report.cache_disk is not None:
        lines.append(f"Cache directory: {' on '.join(report.cache_disk)}")
    lines += ["Caches: local", f"Remotes: {', '.join(report.remotes) or 'None'}"]
    if report.workspace_disk is not None:
        lines.append(f"Workspace directory: {' on '.join(report.workspace_disk)}")
    return [*lines, f"Repo: {report.kind}"]
