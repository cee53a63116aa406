"""Projects at Git servers: list, get, import and update over ssh and https."""

from __future__ import annotations

import http.server
import os
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.servers.processes import HttpServer, Served
from tests.servers.sshd import Sshd
from tests.support.programs import git
from tests.support.project import Project, make_project

PASSWORD = "s3cret-of-git"


class GitOverHttp(http.server.BaseHTTPRequestHandler):
    """Git's own server program behind a password. root: holds the repositories."""

    root = ""
    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        import base64

        given = self.headers.get("Authorization", "")
        if given != "Basic " + base64.b64encode(f"me:{PASSWORD}".encode()).decode():
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="git"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        path, _, query = self.path.partition("?")
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        env = {
            **os.environ,
            "GIT_PROJECT_ROOT": self.root,
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type") or "",
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding") or "",
            "GIT_PROTOCOL": self.headers.get("Git-Protocol") or "",
            "REMOTE_USER": "me",
            "REMOTE_ADDR": "127.0.0.1",
        }
        done = subprocess.run(["git", "http-backend"], input=body, capture_output=True, env=env)
        head, _, answer = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().splitlines())
        self.send_response(int(headers.pop("Status", "200").split()[0]))
        headers["Content-Length"] = str(len(answer))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST = _answer

    def log_message(self, format: str, *args: object) -> None:
        return None


@pytest.fixture
def repository(project: Project, tmp_path: Path) -> Project:
    """A project whose Git repository has a bare copy in `served`, its remote beside."""
    project.dvc("remote", "add", "-q", "-d", "store", str(tmp_path / "store"))
    project.write("data/a", "a")
    project.write("f", "1")
    project.dvc("add", "-q", "data", "f")
    project.commit_all()
    project.dvc("push", "-q")
    (tmp_path / "served").mkdir()
    git("clone", "-q", "--bare", project.root, tmp_path / "served/p.git", cwd=tmp_path)
    git("config", "uploadpack.allowFilter", "true", cwd=tmp_path / "served/p.git")
    return project


@pytest.fixture
def https(tmp_path: Path, clean_machine: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of an https server, which asks for a password; Git trusts it, and a helper of
    the user's knows the password."""
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-keyout", key, "-out", cert, "-days", "2", "-subj", "/CN=localhost"),
            *("-addext", "subjectAltName=IP:127.0.0.1"),
        ],
        check=True,
        capture_output=True,
    )
    handler = type("Here", (GitOverHttp,), {"root": str(tmp_path / "served")})
    server = HttpServer(("127.0.0.1", 0), handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    server.speak_tls(context)
    monkeypatch.setenv("GIT_SSL_CAINFO", str(cert))
    with closing(Served(server)):
        yield f"https://127.0.0.1:{server.server_port}"


def everything_from(url: str, source: Project, tmp_path: Path) -> None:
    """What is asked of a source: looked at, got, imported, brought up to date."""
    here = make_project(tmp_path / "here", source.program)
    listed = here.dvc("list", url, "-R", "--dvc-only").stdout
    here.dvc("get", "-q", url, "data", "-o", "got")
    here.dvc("import", "-q", url, "f")

    assert "data/a\nf\n" == listed
    assert "a" == (here.root / "got/a").read_text()
    assert "1" == (here.root / "f").read_text()
    assert f"{url}\n" in (here.root / "f.dvc").read_text()

    source.write("f", "2")
    source.dvc("add", "-q", "f")
    source.commit_all()
    source.dvc("push", "-q")
    source.git("push", "-q", str(tmp_path / "served/p.git"), "main")
    here.dvc("update", "-q", "f.dvc")
    assert "2" == (here.root / "f").read_text()


@pytest.mark.xdist_group("ssh")
def test_a_project_behind_ssh(
    repository: Project,
    ssh_server: Sshd,
    clean_machine: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The program `ssh` looks for its files in the home of the system's users, wherever HOME is."""
    ssh_server.let_in(clean_machine)
    home = clean_machine / ".ssh"
    ssh = f"ssh -i {home}/id_ed25519 -o UserKnownHostsFile={home}/known_hosts"
    monkeypatch.setenv("GIT_SSH_COMMAND", ssh)

    everything_from(ssh_server.url(tmp_path / "served/p.git"), repository, tmp_path)


def test_a_project_behind_https_and_a_password(
    repository: Project, https: str, tmp_path: Path
) -> None:
    helper = f"!f() {{ echo username=me; echo password={PASSWORD}; }}; f"
    git("config", "--global", "credential.helper", helper, cwd=tmp_path)

    everything_from(f"{https}/p.git", repository, tmp_path)

    named = f"https://me:{PASSWORD}@{https.removeprefix('https://')}/p.git"
    warned = repository.dvc("import", named, "f", "-o", "named")
    assert "WARNING: 'named.dvc' holds the secret in its URL" in warned.stderr
    assert PASSWORD not in warned.stdout + warned.stderr
    git("config", "--global", "--unset", "credential.helper", cwd=tmp_path)
    refused = repository.dvc("list", f"{https}/p.git", "--rev", "other", check=False)
    assert (0, "") != (refused.rc, refused.stdout)
    wrong = f"https://me:{PASSWORD}x@{https.removeprefix('https://')}/p2.git"
    denied = repository.dvc("get", wrong, "f", "-vv", check=False)
    assert 0 != denied.rc
    assert PASSWORD not in denied.stdout + denied.stderr
