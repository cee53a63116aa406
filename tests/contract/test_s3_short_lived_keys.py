"""Keys that expire: roles, web identities, SSO, programs; from a server of our own."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import botocore.credentials
import botocore.tokens
import pytest

from pannier.core.errors import AccessDenied
from pannier.store.remote_config import RemoteConfig
from pannier.store.schemes import open_transport
from pannier.store.transport import Transport
from pannier.store.transports.s3_config import read_options, resolve
from pannier.store.transports.s3_credentials import Credentials
from pannier.store.transports.s3_errors import Place
from tests.contract.places import errors, failure, nothing
from tests.servers.canned import Answer, CannedServer, Request
from tests.servers.sts import KeyGiver
from tests.support.terminal import answer_on_terminal

pytestmark = pytest.mark.xdist_group("s3")

TOKEN = "LogInLogInLogIn"
Canned = Callable[[Callable[[Request], Answer]], CannedServer]
KINDS = {"role": "AssumeRole", "web": "AssumeRoleWithWebIdentity", "sso": "SSO"}


@pytest.fixture
def giver(monkeypatch: pytest.MonkeyPatch) -> Iterator[KeyGiver]:
    made = KeyGiver(TOKEN)
    for service in ("STS", "SSO", "SSO_OIDC"):
        monkeypatch.setenv(f"AWS_ENDPOINT_URL_{service}", made.endpoint)
    yield made
    made.close()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home whose ~/.aws knows each kind of keys as a profile."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_CONFIG_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "identity").write_text(TOKEN)
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "config").write_text(
        "[profile base]\naws_access_key_id = BASE\naws_secret_access_key = base\n"
        "[profile role]\nrole_arn = arn:aws:iam::1:role/r\nsource_profile = base\n"
        "region = us-east-1\n"
        f"[profile web]\nrole_arn = arn:aws:iam::1:role/r\nregion = us-east-1\n"
        f"web_identity_token_file = {tmp_path}/identity\n"
        "[profile sso]\nsso_session = s\nsso_account_id = 1\nsso_role_name = r\n"
        "region = us-east-1\n"
        "[sso-session s]\nsso_region = us-east-1\nsso_start_url = https://x.invalid/start\n"
    )
    log_in(tmp_path, timedelta(hours=1))
    # botocore works out this folder once, when it is imported: perhaps under another home.
    for module in (botocore.tokens.SSOTokenProvider, botocore.credentials.SSOProvider):
        monkeypatch.setattr(module, "_SSO_TOKEN_CACHE_DIR", str(tmp_path / ".aws/sso/cache"))
    return tmp_path


def log_in(home: Path, lifetime: timedelta) -> None:
    """What `aws sso login` leaves behind."""
    cache = home / ".aws" / "sso" / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    until = datetime.now(UTC) + lifetime
    (cache / f"{hashlib.sha1(b's').hexdigest()}.json").write_text(
        json.dumps(
            {
                "startUrl": "https://x.invalid/start",
                "region": "us-east-1",
                "accessToken": TOKEN,
                "expiresAt": f"{until:%Y-%m-%dT%H:%M:%SZ}",
            }
        )
    )


def options(endpoint: str, profile: str) -> RemoteConfig:
    return RemoteConfig("far", "s3://things/pre", {"endpointurl": endpoint, "profile": profile})


def transport_to(endpoint: str, profile: str) -> Transport:
    return open_transport(options(endpoint, profile))


def credentials(profile: str) -> Credentials:
    settings = resolve(read_options(options("http://localhost:1", profile)), {})
    return Credentials(settings, Place("far", "s3://things/pre", "things", "x", profile, ()))


@pytest.mark.parametrize("profile", KINDS)
def test_keys_are_asked_for_once_for_all_workers(
    giver: KeyGiver, home: Path, canned_s3: Canned, profile: str
) -> None:
    server = canned_s3(lambda request: Answer(200, headers={"ETag": '"0"'}))
    (home / "f").write_bytes(b"x")
    transport = transport_to(server.endpoint, profile)
    items = [(str(home / "f"), f"a/{number}", "") for number in range(40)]

    assert {} == errors(transport.upload_many(items, 16, nothing))

    assert [KINDS[profile]] == giver.asked
    puts = [request for request in server.requests if request.method == "PUT"]
    assert 40 == len(puts)
    for request in puts:
        sent = {name.lower(): value for name, value in request.headers.items()}
        assert "Credential=KEY1/" in sent["authorization"]
        assert "session" == sent["x-amz-security-token"]


@pytest.mark.parametrize("profile", KINDS)
def test_keys_that_run_out_are_renewed_once_for_all_workers(
    giver: KeyGiver, home: Path, profile: str
) -> None:
    giver.lifetime_s = 120  # less than any request may take: they are renewed before they are used
    found = credentials(profile)
    found.load()
    before = len(giver.asked)
    giver.lifetime_s = 3600

    with ThreadPoolExecutor(16) as workers:
        keys = [made["access_key_id"] for made in workers.map(lambda _: found(), range(64))]

    assert before + 1 == len(giver.asked)
    assert {f"KEY{before + 1}"} == set(keys)


@pytest.mark.parametrize("hours", [-1, 1])
def test_an_expired_log_in_is_one_sentence_and_the_command_that_renews_it(
    giver: KeyGiver, home: Path, hours: int
) -> None:
    """Whatever the file says of its age: the portal knows better, and is asked."""
    log_in(home, timedelta(hours=hours))
    giver.token = "another"

    error = failure(lambda: transport_to("http://localhost:1", "sso").read("a"))

    assert isinstance(error, AccessDenied)
    assert "log-in of profile 'sso'" in str(error)
    assert "\n" not in str(error)
    assert "aws sso login --profile sso" in str(error.hint)
    assert TOKEN not in f"{error} {error.hint}"


def test_a_web_identity_that_does_not_count_is_refused_in_one_sentence(
    giver: KeyGiver, home: Path
) -> None:
    (home / "identity").write_text("yesterday's")

    error = failure(lambda: transport_to("http://localhost:1", "web").read("a"))

    assert isinstance(error, AccessDenied)
    assert "InvalidIdentityToken" in str(error)
    assert "\n" not in str(error)


def test_a_program_is_run_again_when_its_keys_run_out(home: Path) -> None:
    program, count = home / "give", home / "count"
    program.write_text(
        "#!/bin/sh\n"
        f"echo x >> {count}\n"
        f"n=$(wc -l < {count} | tr -d ' ')\n"
        'if [ "$n" = 1 ]; then until=$(date -u -d +2minutes +%Y-%m-%dT%H:%M:%SZ); '
        "else until=$(date -u -d +1hour +%Y-%m-%dT%H:%M:%SZ); fi\n"
        'echo "{\\"Version\\": 1, \\"AccessKeyId\\": \\"KEY$n\\", \\"SecretAccessKey\\": \\"s\\",'
        ' \\"SessionToken\\": \\"t\\", \\"Expiration\\": \\"$until\\"}"\n'
    )
    program.chmod(0o755)
    with open(home / ".aws" / "config", "a") as file:
        file.write(f"[profile program]\ncredential_process = {program}\n")
    found = credentials("program")
    found.load()

    with ThreadPoolExecutor(16) as workers:
        keys = {made["access_key_id"] for made in workers.map(lambda _: found(), range(64))}

    assert 1 == len(keys)
    assert len(count.read_text().split()) <= 3


# -- MFA ----

PUSH = """
import signal, sys
signal.alarm(60)  # a second question is answered by nobody
from pathlib import Path
from pannier.store.remote_config import RemoteConfig
from pannier.store.schemes import open_transport
options = {"endpointurl": sys.argv[1], "profile": "mfa", "acl": "private"}
for name in ("a", "b"):
    remote = open_transport(RemoteConfig("far", "s3://things/pre", options))
    try:
        remote.write(name, b"x")  # by botocore, for its access rights
        list(remote.upload_many([(__file__, name, "")], 1, lambda count: None))
        remote.stat(name)  # by obstore
        print("done")
    except Exception as error:
        print(error, "Hint:", error.hint)
        break
"""


@pytest.fixture
def mfa(home: Path, giver: KeyGiver) -> Path:
    """A program that sends something with a role that wants a code."""
    with open(home / ".aws" / "config", "a") as file:
        file.write(
            "[profile mfa]\nrole_arn = arn:aws:iam::1:role/m\nsource_profile = base\n"
            "region = us-east-1\nmfa_serial = arn:aws:iam::1:mfa/me\n"
        )
    giver.codes = ["123456"]
    (home / "push.py").write_text(PUSH)
    return home / "push.py"


def test_a_role_that_wants_a_code_asks_for_it_once(
    giver: KeyGiver, mfa: Path, canned_s3: Canned
) -> None:
    server = canned_s3(lambda request: Answer(200, headers={"ETag": '"0"'}))
    command = [sys.executable, str(mfa), server.endpoint]

    rc, seen = answer_on_terminal(command, cwd=mfa.parent, question="MFA code", answer="123456")

    assert (0, 2) == (rc, seen.count("done")), seen
    assert 1 == seen.count("Enter MFA code for arn:aws:iam::1:mfa/me")
    assert "123456" not in seen
    assert ["AssumeRole"] == giver.asked


def test_a_code_that_is_not_accepted_is_one_sentence(
    giver: KeyGiver, mfa: Path, canned_s3: Canned
) -> None:
    server = canned_s3(lambda request: Answer(200))
    giver.codes = []
    command = [sys.executable, str(mfa), server.endpoint]

    rc, seen = answer_on_terminal(command, cwd=mfa.parent, question="MFA code", answer="654321")

    assert 0 == rc
    assert "the credentials of profile 'mfa' cannot be had: AWS answered AccessDenied" in seen
    assert "Traceback" not in seen
    assert "654321" not in seen


def test_a_role_that_wants_a_code_without_a_terminal_is_one_sentence(
    giver: KeyGiver, mfa: Path, canned_s3: Canned
) -> None:
    server = canned_s3(lambda request: Answer(200))

    done = subprocess.run(
        [sys.executable, mfa, server.endpoint],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        start_new_session=True,
        timeout=60,
    )

    said = done.stdout.splitlines()
    assert 1 == len(said)
    assert "remote 'far' asks for a code of your MFA device, and there is no terminal" in said[0]
    assert "Hint: run the command at a terminal" in said[0]
    assert "" == done.stderr
    assert [] == giver.asked
