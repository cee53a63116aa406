"""Projects to look at, in many states, made by real DVC: what `list` and `du` are compared on."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from tests.support.programs import Runner, git
from tests.support.project import Project, make_project


@dataclass(frozen=True, slots=True)
class Scenes:
    """All below one folder; the names of its folders are the scenes."""

    base: Path
    program: Runner

    def project(self, name: str) -> Project:
        return make_project(self.base / name, self.program)


def make_scenes(base: Path, program: Runner) -> Scenes:
    scenes = Scenes(base, program)
    (base / "elsewhere").mkdir(parents=True)
    _plain(scenes)
    for name in ("whole", "changed", "gone", "no-cache", "remote"):
        _images(scenes.project(name))
    _change(base)
    _with_remote(Project(base / "remote", program))
    _in_subdir(scenes)
    _with_sub_repo(scenes)
    _pipeline(scenes)
    _without_git(scenes)
    return scenes


def _images(project: Project) -> None:
    root = project.root
    project.write("d/a", "a\n")
    project.write("d/sub/b", "bb\n")
    project.write("d/sub/deep/er/c", "ccc\n")
    project.write("d/sub/run.sh", "run\n").chmod(0o755)
    project.write("d.e/x", "x\n")
    project.write("f.csv", "f\n")
    project.write("tool", "#!/bin/sh\n").chmod(0o755)
    project.write("sub2/x/z", "z\n")
    project.write("code/a.py", "1\n")
    project.write("code/run", "#!/bin/sh\n").chmod(0o755)
    project.write("code/own", "own\n").chmod(0o654)
    project.write("ü x", "umlaut\n")
    project.write(".hid", "hidden\n")
    project.write(".dvcignore", "*.log\n/skipped/\n!keep.log\n")
    project.write("code/.dvcignore", "secret\n")
    for path in ("x.log", "keep.log", "skipped/x", "code/secret", "d2/x.log"):
        project.write(path, "left out\n")
    (root / "lnk").symlink_to("code/run")
    (root / "dirlnk").symlink_to("code")
    (root / "links").mkdir()
    (root / "links/dangling").symlink_to("nowhere")
    (root / "empty/inner").mkdir(parents=True)
    project.dvc("add", "-q", "d", "d.e", "f.csv", "tool", "sub2/x/z")
    project.commit_all()
    project.git("tag", "v1")
    project.write("untracked", "not in Git\n")
    project.write("not-in-git", "ignored by Git\n")
    with open(root / ".gitignore", "a") as file:
        file.write("/not-in-git\n")


def _change(base: Path) -> None:
    changed, gone, no_cache = (base / name for name in ("changed", "gone", "no-cache"))
    (changed / "d/new").write_text("new\n")
    (changed / "d/sub/b").unlink()
    (changed / "d/sub/b").write_text("longer now\n")
    (changed / "d/a").unlink()
    (changed / "f.csv").unlink()
    (changed / "d.e/x").unlink()
    (changed / "d.e").rmdir()
    (changed / "d.e").write_text("a file now\n")
    for root in (gone, no_cache):
        for name in ("d", "d.e", "sub2/x/z", "f.csv", "tool"):
            path = root / name
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    shutil.rmtree(no_cache / ".dvc/cache")


def _with_remote(project: Project) -> None:
    project.dvc("remote", "add", "-q", "-d", "store", str(project.root.parent / "store"))
    project.dvc("push", "-q")
    project.commit_all()
    shutil.rmtree(project.root / ".dvc/cache")
    shutil.rmtree(project.root / "d")


def _in_subdir(scenes: Scenes) -> None:
    root = scenes.base / "mono"
    (root / "plain").mkdir(parents=True)
    git("init", "-q", cwd=root)
    (root / "README").write_text("read\n")
    (root / "plain/p").write_text("p\n")
    inner = Project(root / "part", scenes.program)
    inner.root.mkdir()
    inner.dvc("init", "-q", "--subdir")
    inner.write("dd/1", "1\n")
    inner.write("dd/2", "2\n")
    inner.write("nested/x", "x\n")
    inner.write("code.py", "c\n")
    inner.dvc("add", "-q", "dd", "nested/x")
    inner.commit_all()
    inner.git("tag", "v1")


def _with_sub_repo(scenes: Scenes) -> None:
    outer = scenes.project("outer")
    outer.write("o", "o\n")
    outer.dvc("add", "-q", "o")
    inner = Project(outer.root / "inner", scenes.program)
    inner.root.mkdir()
    inner.dvc("init", "-q", "--subdir")
    inner.write("dd/1", "1\n")
    inner.write("f", "f\n")
    inner.dvc("add", "-q", "dd")
    outer.commit_all()
    outer.git("tag", "v1")


def _pipeline(scenes: Scenes) -> None:
    project = scenes.project("pipeline")
    project.write(
        "dvc.yaml",
        "stages:\n"
        "  a:\n"
        "    cmd: mkdir -p out && echo 1 > out/1 && echo m > m.json && echo p > p.csv\n"
        "    outs: [out]\n"
        "    metrics: [{m.json: {cache: false}}]\n"
        "    plots: [p.csv]\n"
        "  never:\n"
        "    cmd: echo 2 > never\n"
        "    outs: [never, folder/x]\n",
    )
    project.dvc("repro", "-q", "a")
    outer = str(scenes.base / "outer")
    project.dvc("import", "-q", outer, "o")
    project.dvc("import", "-q", "--no-download", outer, "o", "-o", "later")
    project.dvc("import-url", "-q", f"{outer}/inner/f", "from-url")
    project.commit_all()
    project.git("tag", "v1")


def _without_git(scenes: Scenes) -> None:
    root = scenes.base / "no-git"
    project = Project(root, scenes.program)
    root.mkdir()
    project.dvc("init", "-q", "--no-scm")
    project.write("x/1", "1\n")
    project.write("f", "f\n")
    project.dvc("add", "-q", "x")


def _plain(scenes: Scenes) -> None:
    root = scenes.base / "plain"
    (root / "a").mkdir(parents=True)
    git("init", "-q", cwd=root)
    (root / "a/1").write_text("1\n")
    (root / "b").write_text("2\n")
    git("add", "-A", cwd=root)
    git("commit", "-qm", "1", cwd=root)
    git("tag", "v1", cwd=root)
    (root / "untracked").write_text("u\n")
    (scenes.base / "folder/x").mkdir(parents=True)
    (scenes.base / "folder/x/f").write_text("f\n")
