"""A marked password in every place where one can stand, looked for in all that is left behind.

Standard output, standard error, `-vv`, tracebacks, temporary and state files: in none of them, in
no spelling. Shown it is to who asks for that very option by its name, and to nobody else.
"""

from __future__ import annotations

import base64
import itertools
import os
import stat
import urllib.parse
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.hostile.commands import ON_DATA, ON_SETTINGS
from tests.servers.canned import Answer, CannedServer, Request, s3_error
from tests.support.buckets import Bucket
from tests.support.crash import Runs, World, added, everything, new_world
from tests.support.hostile import report
from tests.support.programs import Completed

PASSWORD = "mArk3d/p4ss+w0rd=="
QUOTED = urllib.parse.quote(PASSWORD, safe="")
HTTPS = f"https://user:{QUOTED}@127.0.0.1:9/x"


def spellings(secret: str) -> set[str]:
    """A secret as it may turn up: plain, percent-encoded once or twice, in base64, in JSON."""
    once = urllib.parse.quote(secret, safe="")
    pairs = [f"{user}:{secret}" for user in ("user", "AKIAUSER", "")]
    encoded = {base64.b64encode(text.encode()).decode().rstrip("=") for text in [*pairs, secret]}
    return {
        secret,
        once,
        once.lower(),
        urllib.parse.quote(secret),
        urllib.parse.quote(once, safe=""),
        secret.replace("/", "\\/"),
        *encoded,
    }


def shows(text: str, secret: str = PASSWORD) -> list[str]:
    return sorted(form for form in spellings(secret) if form in text)


# Each place as lines of a config file: what `remote` holds beside its URL.
PLACES = {
    "http url": f"url = {HTTPS}",
    "ssh url": f"url = ssh://user:{QUOTED}@127.0.0.1/x",
    "s3 url": f"url = s3://user:{QUOTED}@bucket/x",
    "webdav url": f"url = webdavs://user:{QUOTED}@127.0.0.1:9/x",
    "endpoint url": "url = s3://bucket/x\n    endpointurl = "
    f"http://user:{QUOTED}@127.0.0.1:9\n    access_key_id = AKIAUSER\n"
    "    secret_access_key = another-secret",
    "endpoint query": "url = s3://bucket/x\n    endpointurl = "
    f"http://127.0.0.1:9/?token={QUOTED}\n    access_key_id = AKIAUSER\n"
    "    secret_access_key = another-secret",
    "http password": f"url = https://127.0.0.1:9/x\n    user = user\n    password = {PASSWORD}",
    "custom header": "url = https://127.0.0.1:9/x\n    auth = custom\n"
    f"    custom_auth_header = X-Key\n    password = {PASSWORD}",
    "webdav token": f"url = webdavs://127.0.0.1:9/x\n    token = {PASSWORD}",
    "ssh password": f"url = ssh://127.0.0.1/x\n    password = {PASSWORD}",
    "ssh passphrase": f"url = ssh://127.0.0.1/x\n    passphrase = {PASSWORD}",
    "s3 secret key": "url = s3://bucket/x\n    endpointurl = http://127.0.0.1:9\n"
    f"    access_key_id = AKIAUSER\n    secret_access_key = {PASSWORD}",
    "s3 session token": "url = s3://bucket/x\n    endpointurl = http://127.0.0.1:9\n"
    "    access_key_id = AKIAUSER\n    secret_access_key = another-secret\n"
    f"    session_token = {PASSWORD}",
    "s3 customer key": "url = s3://bucket/x\n    endpointurl = http://127.0.0.1:9\n"
    "    access_key_id = AKIAUSER\n    secret_access_key = another-secret\n"
    f"    sse_customer_algorithm = AES256\n    sse_customer_key = {PASSWORD}",
    "azure connection": "url = azure://c/x\n"
    f'    connection_string = "AccountName=user;AccountKey={PASSWORD};"',
    "azure sas": f'url = azure://c/x\n    sas_token = "sv=1&sig={PASSWORD}"',
    "azure key": f"url = azure://c/x\n    account_key = {PASSWORD}",
    "azure client": f"url = azure://c/x\n    client_secret = {PASSWORD}",
    "oss": f"url = oss://c/x\n    oss_key_secret = {PASSWORD}",
    "gdrive": f"url = gdrive://c/x\n    gdrive_client_secret = {PASSWORD}",
    "unknown option": f"url = https://127.0.0.1:9/x\n    pasword = x\n    password = {PASSWORD}",
    "value with no quotes": f"url = https://127.0.0.1:9/x\n    password = '{PASSWORD}",
    "a line without sign": f"url = https://127.0.0.1:9/x\n    password {PASSWORD}",
    "a key twice": f"url = https://h/x\n    password = {PASSWORD}\n    password = {PASSWORD}",
    "an option of another kind": f"url = /tmp/x\n    password = {PASSWORD}",
    "a number that is none": "url = s3://b/x\n    read_timeout = x\n"
    f"    session_token = {PASSWORD}",
    "interpolated": f"url = https://127.0.0.1:9/x\n    user = %(password)s\n"
    f"    password = {PASSWORD}",
}
MORE = {
    "db": f"['db \"d\"']\n    url = postgresql://user:{QUOTED}@127.0.0.1:9/x\n"
    f"    password = {PASSWORD}",
    "studio": f"[studio]\n    token = {PASSWORD}",
}


@pytest.fixture
def world(base: Path, runs: Runs) -> World:
    made = new_world(base / "world", runs, "copy")
    added(made)
    (made.repo / ".dvc/config").write_text("[core]\n    remote = there\n")
    return made


def left_behind(world: World) -> list[str]:
    """Files other than the user's own settings that hold the secret."""
    settings = (".dvc/config", ".dvc/config.local", "xdg-config/dvc/config")
    home = Path(os.environ["HOME"])
    return [
        f"{path}: {found}"
        for root in (world.base, home)
        for path, thing in everything(root).items()
        if thing.kind == "file" and not path.endswith(settings)
        for found in shows(thing.data.decode("utf-8", "replace"))
    ]


def leaks(*runs: Completed) -> list[str]:
    return [
        f"{' '.join(run.command)}: {form} in:\n{run.stdout}{run.stderr}"
        for run in runs
        for form in shows(run.stdout + run.stderr)
    ]


COMMANDS = [c for c in (*ON_DATA, *ON_SETTINGS) if c.sends or c.edits or not c.puts | c.takes]


@pytest.mark.parametrize("place", [*PLACES, *MORE])
def test_no_command_shows_a_secret_of_the_settings(place: str, world: World) -> None:
    """Most commands fail here: no server, a kind that is not known, a line that is broken."""
    level = "config.local" if len(place) % 2 else "config"
    remote = PLACES.get(place, "url = https://127.0.0.1:9/x")
    text = f"['remote \"there\"']\n    {remote}\n{MORE.get(place, '')}\n"
    path = world.repo / ".dvc" / level
    before = path.read_text() if path.exists() else ""
    path.write_text(before + text)

    done = []
    for command in COMMANDS:
        done.append(world.run(*command.words, "-vv"))
        path.write_text(before + text)

    assert not leaks(*done), report(leaks(*done))
    assert [] == left_behind(world)


TYPED = [
    ("remote", "add", "more", HTTPS),
    ("remote", "add", "--local", "more", HTTPS),
    ("remote", "modify", "there", "password", PASSWORD),
    ("remote", "modify", "there", "password", PASSWORD, "--force"),
    ("remote", "modify", "--local", "there", "password", PASSWORD),
    ("remote", "modify", "nosuch", "password", PASSWORD),
    ("remote", "modify", "there", "url", HTTPS),
    ("remote", "modify", "there", "pasword", PASSWORD),
    ("remote", "modify", "--password", PASSWORD),
    ("config", "remote.there.password", PASSWORD),
    ("config", "remote.there.url", HTTPS),
    ("config", "studio.token", PASSWORD),
    ("config", "-f", "studio.token", PASSWORD),
    ("config", "--local", "db.d.password", PASSWORD),
    ("config", "remote.nosuch.password", PASSWORD),
    ("push", "-r", HTTPS),
    ("add", "--to-remote", HTTPS),
    ("add", HTTPS),
    ("cache", "dir", HTTPS),
]


@pytest.mark.parametrize("words", TYPED, ids=lambda words: " ".join(words)[:40])
def test_a_secret_that_is_typed_does_not_come_back(words: tuple[str, ...], world: World) -> None:
    (world.repo / ".dvc/config.local").write_text("['remote \"there\"']\n    url = https://h/x\n")

    done = [world.run(*words, "-vv"), world.run(*words), world.run("status", "-c", "-vv")]

    assert not leaks(*done), report(leaks(*done))
    assert [] == left_behind(world)


ANSWERS: dict[str, Callable[[Request], Answer]] = {
    "denied": lambda request: s3_error(403, "AccessDenied", f"no: {PASSWORD} {QUOTED}"),
    "wrong key": lambda request: s3_error(
        403, "SignatureDoesNotMatch", "no", f"<StringToSign>{PASSWORD}</StringToSign>"
    ),
    "bad token": lambda request: s3_error(400, "InvalidToken", PASSWORD),
    "not found": lambda request: s3_error(404, "NoSuchBucket", PASSWORD),
    "odd": lambda request: s3_error(409, "Odd", f"said {QUOTED}"),
    "broken": lambda request: Answer(500, PASSWORD.encode()),
    "a page": lambda request: Answer(
        200, f"<html>{PASSWORD}".encode(), {"Content-Type": "text/html"}
    ),
    "moved": lambda request: Answer(
        301, b"", {"Location": f"http://user:{QUOTED}@127.0.0.1:9/", "x-amz-bucket-region": "r"}
    ),
}
KEYS = {
    "settings": ("    access_key_id = AKIAUSER\n    secret_access_key = {p}\n", {}),
    "token": (
        "    access_key_id = AKIAUSER\n    secret_access_key = other-one\n"
        "    session_token = {p}\n",
        {},
    ),
    "environment": ("", {"AWS_ACCESS_KEY_ID": "AKIAUSER", "AWS_SECRET_ACCESS_KEY": PASSWORD}),
    "environment's token": (
        "",
        {
            "AWS_ACCESS_KEY_ID": "AKIAUSER",
            "AWS_SECRET_ACCESS_KEY": "another-secret",
            "AWS_SESSION_TOKEN": PASSWORD,
        },
    ),
    "variable": (
        "    access_key_id = AKIAUSER\n    secret_access_key = ${{MY_KEY}}\n",
        {"MY_KEY": PASSWORD},
    ),
    "program": (
        "    access_key_id = AKIAUSER\n    secret_access_key = cmd:echo $MINE\n",
        {"MINE": PASSWORD},
    ),
}


@pytest.mark.parametrize(
    ("answer", "keys"),
    [
        (answer, keys)
        for answer, keys in itertools.product(ANSWERS, KEYS)
        if keys not in ("variable", "program") or answer in ("denied", "odd")
    ],
)
def test_no_answer_of_a_server_brings_a_secret_out(
    answer: str,
    keys: str,
    world: World,
    canned_s3: Callable[[Callable[[Request], Answer]], CannedServer],
) -> None:
    """Servers quote what they were sent, and some quote more."""
    server = canned_s3(ANSWERS[answer])
    lines, env = KEYS[keys]
    (world.repo / ".dvc/config.local").write_text(
        f"['remote \"there\"']\n    url = s3://bucket/x\n    endpointurl = {server.endpoint}\n"
        "    region = r\n" + lines.format(p=PASSWORD)
    )
    env = {
        "XDG_CACHE_HOME": str(world.base / "xdg"),
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_MAX_ATTEMPTS": "1",
        **env,
    }
    words = [("push",), ("status", "-c")] if answer != "broken" else [("status", "-c")]

    done = [world.runs(*line, "-vv", cwd=world.repo, env=env) for line in words]

    assert server.requests
    assert not leaks(*done), report(leaks(*done))
    assert [] == left_behind(world)


def test_success_and_a_wrong_key_show_no_secret_at_a_real_server(
    world: World, s3_bucket: Bucket
) -> None:
    """Every byte that a run leaves is looked through, with the right key and with a wrong one."""

    def settings(secret: str) -> None:
        (world.repo / ".dvc/config.local").write_text(
            f"['remote \"there\"']\n    url = s3://{s3_bucket.name}/x\n"
            f"    endpointurl = {s3_bucket.endpoint}\n    region = us-east-1\n"
            f"    access_key_id = {s3_bucket.key_id}\n    secret_access_key = {secret}\n"
        )

    settings(s3_bucket.secret)
    good = [world.run(*line, "-vv") for line in [("push",), ("fetch",), ("status", "-c")]]
    settings(PASSWORD)
    bad = [world.run(*line, "-vv") for line in [("push",), ("status", "-c")]]

    assert [0, 0, 0] == [done.rc for done in good], str(good)
    assert [] == [done for done in bad if done.rc == 0]
    assert [] == leaks(*bad)
    assert [] == [
        form for done in good for form in shows(done.stdout + done.stderr, s3_bucket.secret)
    ]
    assert [] == left_behind(world)


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
@pytest.mark.parametrize(
    "words",
    [
        ("remote", "add", "--local", "more", HTTPS),
        ("remote", "modify", "--local", "there", "password", PASSWORD),
        ("config", "--local", "remote.there.password", PASSWORD),
        ("config", "--local", "studio.token", PASSWORD),
        ("config", "--global", "studio.token", PASSWORD),
        ("remote", "add", "--global", "more", HTTPS),
    ],
    ids=lambda words: " ".join(words)[:40],
)
def test_a_file_with_a_secret_is_its_owners_alone(
    words: tuple[str, ...], umask: int, world: World
) -> None:
    """Row 11: also when it was readable by others before, and at no moment in between."""
    local = world.repo / ".dvc/config.local"
    local.write_text("['remote \"there\"']\n    url = https://h/x\n")
    local.chmod(0o644)
    changed = Path(os.environ["DVC_GLOBAL_CONFIG_DIR"], "config") if "--global" in words else local
    log = world.base / "log"
    old = os.umask(umask)
    try:
        done = world.run(*words, log=str(log))
    finally:
        os.umask(old)

    assert done.rc == 0, str(done)
    assert 0 == stat.S_IMODE(changed.stat().st_mode) & 0o077
    steps = [line.split("\t")[0] for line in log.read_text().splitlines()]
    assert steps.index("chmod") < steps.index("rename")


@pytest.mark.parametrize(
    "words", [w for w in TYPED if "--local" not in w and w[0] in ("remote", "config")], ids=str
)
def test_a_secret_gets_into_the_committed_file_by_force_alone(
    words: tuple[str, ...], world: World
) -> None:
    (world.repo / ".dvc/config").write_text("['remote \"there\"']\n    url = https://h/x\n")

    done = world.run(*words)

    written = bool(shows((world.repo / ".dvc/config").read_text()))
    assert written == bool({"-f", "--force"} & set(words)), str(done)
    assert written == (done.rc == 0)
    assert written == ("WARNING" in done.stderr)


def test_every_secret_option_is_in_the_corpus() -> None:
    from pannier.formats.config_schema import SECRETS

    text = "".join(itertools.chain(PLACES.values(), MORE.values()))

    assert set() == {name for name in SECRETS if f"{name} = " not in text}
