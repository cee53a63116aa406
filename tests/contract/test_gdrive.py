"""Google Drive, beyond the contract of every transport; against the small one of tests/servers."""

from __future__ import annotations

import json
import os
import pty
import re
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from pannier.core.errors import AccessDenied, ConfigError, CorruptObject, NotThere, TransportError
from pannier.store.remote_config import RemoteConfig
from pannier.store.schemes import open_transport
from tests.contract.places import DriveFolder, by_key, errors, failure, nothing
from tests.servers.drive import FOLDER, Drive, File, Refusal
from tests.servers.proxy import FaultProxy

MIB = 1 << 20


@pytest.fixture
def place(drive: Drive, tmp_path: Path) -> DriveFolder:
    return DriveFolder(drive, tmp_path / "account.json")


@pytest.fixture
def big(tmp_path: Path) -> Path:
    """More than two chunks of a session."""
    path = tmp_path / "big"
    path.write_bytes(os.urandom(18 * MIB))
    return path


# -- who asks ----


def test_a_service_account_signs_for_itself_or_for_a_user(place: DriveFolder, drive: Drive) -> None:
    place.transport().stat("a")
    place.transport(gdrive_service_account_user_email="boss@x").stat("a")

    alone, for_user = drive.claims
    assert "robot@example.com" == alone["iss"]
    assert f"{drive.endpoint}/token" == alone["aud"]
    assert "https://www.googleapis.com/auth/drive" == alone["scope"]
    assert "sub" not in alone
    assert "boss@x" == for_user["sub"]


@pytest.mark.parametrize("who", ["account", "user"])
def test_credentials_may_come_from_the_environment(
    drive: Drive, monkeypatch: pytest.MonkeyPatch, who: str
) -> None:
    monkeypatch.setenv("GDRIVE_CREDENTIALS_DATA", json.dumps(getattr(drive, who)()))
    options = {"gdrive_use_service_account": "true"} if who == "account" else {}

    transport = open_transport(RemoteConfig("far", "gdrive://root/x", options))
    transport.write("a", b"x")

    assert {"x/a": b"x"} == drive.keys("root-id")


def test_a_users_credentials_are_read_where_dvc_keeps_them(
    drive: Drive, clean_machine: Path
) -> None:
    kept = clean_machine / ".cache/pydrive2fs" / drive.ID / "mine.json"
    kept.parent.mkdir(parents=True)
    kept.write_text(json.dumps(drive.user()))
    options = {"gdrive_client_id": drive.ID, "gdrive_client_secret": drive.SECRET}

    open_transport(RemoteConfig("far", "gdrive://root/x", {**options, "profile": "mine"})).write(
        "a", b"x"
    )

    assert {"x/a": b"x"} == drive.keys("root-id")


def test_a_token_that_expired_is_asked_for_anew(place: DriveFolder, drive: Drive) -> None:
    transport = place.transport()
    transport.write("a", b"x")

    drive.tokens.clear()

    assert b"x" == transport.read("a")
    assert 2 == len(drive.claims)


def test_credentials_that_google_refuses_are_said_so(drive: Drive, tmp_path: Path) -> None:
    file = tmp_path / "user.json"
    file.write_text(json.dumps({**drive.user(), "refresh_token": "a wrong one"}))
    options = {"gdrive_user_credentials_file": str(file)}
    config = RemoteConfig("far", "gdrive://root/x", options, frozenset(options))

    error = failure(lambda: open_transport(config).stat("a"))

    assert isinstance(error, AccessDenied)
    assert "invalid_grant" in str(error)
    assert "a wrong one" not in str(error)
    assert str(file) in str(error.hint)


def test_without_any_settings_the_ways_in_are_told_step_by_step(drive: Drive) -> None:
    error = failure(lambda: open_transport(RemoteConfig("far", "gdrive://root/x")).stat("a"))

    assert isinstance(error, ConfigError)
    for words in (
        "dvc remote modify far gdrive_use_service_account true",
        "dvc remote modify --local far gdrive_service_account_json_file_path",
        "dvc remote modify far gdrive_client_id",
        "dvc remote modify --local far gdrive_client_secret",
        "GDRIVE_CREDENTIALS_DATA",
    ):
        assert words in str(error.hint)


@pytest.mark.parametrize(
    ("url", "options"),
    [
        ("gdrive://", {}),
        ("gdrive://a b/x", {}),
        ("gdrive://root/../x", {}),
        ("gdrive://root/x", {"gdrive_client_id": "x"}),
        ("gdrive://root/x", {"gdrive_user_credentials_file": "/etc/passwd"}),
        ("gdrive://root/x", {"gdrive_service_account_json_file_path": "/etc/passwd"}),
    ],
)
def test_settings_that_cannot_be_are_one_sentence(url: str, options: dict[str, str]) -> None:
    assert isinstance(
        failure(lambda: open_transport(RemoteConfig("far", url, options))), ConfigError
    )


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"type": "service_account"}', "\0"])
def test_a_file_that_holds_no_credentials_is_named(drive: Drive, tmp_path: Path, text: str) -> None:
    file = tmp_path / "user.json"
    file.write_text(text)
    options = {"gdrive_user_credentials_file": str(file)}
    config = RemoteConfig("far", "gdrive://root/x", options, frozenset(options))

    error = failure(lambda: open_transport(config).stat("a"))

    assert f"{file} holds no credentials" in str(error)


# -- folders ----


def test_folders_of_one_name_are_one_and_the_oldest_takes_new_files(
    place: DriveFolder, drive: Drive
) -> None:
    """Two programs that make a folder at once make two."""
    inside = drive.folder("root-id", place.path)
    first, second = drive.make_folder("ab", inside), drive.make_folder("ab", inside)
    drive.write(first, "1", b"one")
    drive.write(second, "2", b"two")
    transport = place.transport()

    transport.write("ab/3", b"three")

    assert {"ab/1", "ab/2", "ab/3"} == {entry.key for entry in transport.list("ab/")}
    assert (b"one", b"two") == (transport.read("ab/1"), transport.read("ab/2"))
    assert {"1", "3"} == set(drive.keys(first))


def test_of_files_of_one_name_the_oldest_counts_and_all_are_deleted(
    place: DriveFolder, drive: Drive
) -> None:
    inside = drive.folder("root-id", place.path)
    for data in (b"first", b"then"):
        drive.add(File("", "a", "text/plain", [inside], data))
    transport = place.transport()

    assert b"first" == transport.read("a")
    assert ["a"] == [entry.key for entry in transport.list("")]
    transport.delete("a")
    assert transport.stat("a") is None
    assert {} == drive.keys("root-id")


def test_what_has_no_bytes_or_no_name_that_a_key_can_have_is_not_there(
    place: DriveFolder, drive: Drive
) -> None:
    inside = drive.folder("root-id", place.path)
    drive.add(File("", "doc", "application/vnd.google-apps.document", [inside]))
    for name in ("a/b", "..", ""):
        drive.add(File("", name, "text/plain", [inside], b"x"))
    drive.add(File("", "gone", "text/plain", [inside], b"x", trashed=True))
    transport = place.transport()

    assert [] == list(transport.list(""))
    assert transport.stat("doc") is None
    assert transport.stat("gone") is None


@pytest.mark.parametrize("root", ["root", "appDataFolder", "id", "shared drive"])
def test_the_root_may_be_a_folder_a_shared_drive_or_the_apps_own(
    drive: Drive, tmp_path: Path, root: str
) -> None:
    if root == "shared drive":
        drive.add(File("drive-1", "Team", FOLDER, [], drive="drive-1"))
    ident = {"id": drive.make_folder("Some"), "shared drive": "drive-1"}.get(root, root)
    place = DriveFolder(drive, tmp_path / "account.json", ident, "in" if root == "id" else "")
    transport = place.transport()

    transport.write("ab/c", b"x")

    assert {"ab/c"} == {entry.key for entry in transport.list("")}
    assert b"x" == place.transport().read("ab/c")
    transport.delete("ab/c")
    assert [] == list(place.transport().list(""))


def test_a_folder_that_does_not_exist_is_named(drive: Drive, tmp_path: Path) -> None:
    place = DriveFolder(drive, tmp_path / "account.json", "no-such-folder")

    error = failure(lambda: place.transport().stat("a"))

    assert isinstance(error, TransportError)
    assert not isinstance(error, NotThere)
    assert "no folder 'no-such-folder'" in str(error)


def test_a_folder_that_was_removed_is_made_again_by_the_next_try(
    place: DriveFolder, drive: Drive
) -> None:
    transport = place.transport()
    transport.write("ab/1", b"x")
    for file in list(drive.files.values()):
        if file.name == "ab":
            del drive.files[file.id]

    error = failure(lambda: transport.write("ab/2", b"x"))
    transport.write("ab/2", b"x")

    assert error.temporary  # type: ignore[attr-defined]
    assert b"x" == place.transport().read("ab/2")


# -- refusals ----


@pytest.mark.parametrize(
    "refusal",
    [
        Refusal(403, "userRateLimitExceeded"),
        Refusal(403, "rateLimitExceeded"),
        Refusal(429, "rateLimitExceeded"),
        Refusal(500, "backendError"),
        Refusal(503, "backendError"),
    ],
)
def test_what_google_refuses_for_now_is_asked_again(
    place: DriveFolder, drive: Drive, tmp_path: Path, refusal: Refusal
) -> None:
    transport = place.transport()
    (tmp_path / "x").write_bytes(b"x")
    drive.refusals = [refusal] * 3
    (up,) = transport.upload_many([(f"{tmp_path}/x", "a", "")], 1, nothing)
    drive.refusals = [refusal] * 3
    (down,) = transport.download_many([("a", f"{tmp_path}/back", "")], 1, nothing)

    assert (None, None) == (up.error, down.error)
    assert [] == drive.refusals


def test_a_limit_that_does_not_end_is_temporary_and_says_so(
    place: DriveFolder, drive: Drive
) -> None:
    drive.refusals = [Refusal(403, "userRateLimitExceeded")] * 99

    error = failure(lambda: place.transport().stat("a"))

    assert isinstance(error, TransportError)
    assert error.temporary
    assert "fewer requests" in str(error)


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("insufficientFilePermissions", AccessDenied),
        ("storageQuotaExceeded", TransportError),
        ("dailyLimitExceeded", TransportError),
    ],
)
def test_what_google_refuses_for_good_is_not_asked_again(
    place: DriveFolder, drive: Drive, reason: str, kind: type[TransportError]
) -> None:
    drive.refusals = [Refusal(403, reason)]
    transport = place.transport()

    error = failure(lambda: transport.write("a", b"x"))

    assert type(error) is kind
    assert not error.temporary  # type: ignore[attr-defined]
    assert reason in str(error)


def test_what_google_calls_harmful_comes_to_who_says_that_he_knows(place: DriveFolder) -> None:
    place.plant("abuse", b"x")

    error = failure(lambda: place.transport().read("abuse"))
    agreed = place.transport(gdrive_acknowledge_abuse="true").read("abuse")

    assert isinstance(error, AccessDenied)
    assert "gdrive_acknowledge_abuse true" in str(error.hint)
    assert b"x" == agreed


def test_deleting_can_mean_the_trash(place: DriveFolder, drive: Drive) -> None:
    place.plant("a", b"x")
    transport = place.transport(gdrive_trash_only="true")

    transport.delete("a")

    assert transport.stat("a") is None
    assert [True] == [file.trashed for file in drive.files.values() if file.name == "a"]


# -- sessions ----


def ranges_of(drive: Drive) -> list[str]:
    return [path for method, path in drive.requests if method == "PUT"]


@pytest.mark.parametrize("before", [True, False])
def test_a_session_goes_on_where_a_failure_left_it(
    place: DriveFolder, drive: Drive, big: Path, before: bool
) -> None:
    """Also when the part had arrived and only the answer was lost."""
    drive.refusals = [Refusal(503, "backendError", "PUT", "/session/", before)] * 2
    told: list[int] = []

    (up,) = place.transport().upload_many([(str(big), "a", "")], 1, told.append)

    assert up.error is None
    assert big.read_bytes() == place.look("a")
    assert 18 * MIB == sum(told)
    assert 1 == len(drive.sessions)


def test_a_session_goes_on_with_what_arrived_before_the_connection_broke(
    place: DriveFolder,
    drive: Drive,
    big: Path,
    fault_proxy: Callable[[str], FaultProxy],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    proxy = fault_proxy(drive.endpoint)
    monkeypatch.setenv("PANNIER_GDRIVE_ENDPOINT", proxy.endpoint)
    told: list[int] = []

    def tell(count: int) -> None:
        if not told:
            proxy.cut_after(3 * MIB, gently=True, times=1)
        told.append(count)

    transport = place.transport()
    (up,) = transport.upload_many([(str(big), "a", "")], 1, tell)
    transport.close()

    assert up.error is None
    assert big.read_bytes() == place.look("a")
    assert [1] == [session.broken for session in drive.sessions.values()]
    assert 18 * MIB == sum(told)
    assert proxy.sent < 21 * MIB


@pytest.mark.parametrize("status", [404, 410])
def test_a_session_that_expired_begins_anew(
    place: DriveFolder, drive: Drive, big: Path, status: int
) -> None:
    drive.refusals = [Refusal(status, "gone", "PUT", "/session/", before=False)]
    told: list[int] = []

    (up,) = place.transport().upload_many([(str(big), "a", "")], 1, told.append)

    assert up.error is None
    assert big.read_bytes() == place.look("a")
    assert 18 * MIB == sum(told)
    assert 2 == len(drive.sessions)


def test_a_file_of_another_digest_is_never_completed(
    place: DriveFolder, drive: Drive, big: Path
) -> None:
    place.plant("a", b"good")

    results = by_key(place.transport().upload_many([(str(big), "a", "0" * 32)], 1, nothing))

    assert {"a": CorruptObject.__name__} == errors(results.values())
    assert b"good" == place.look("a")
    assert [False] == [session.alive for session in drive.sessions.values()]


def test_many_small_files_are_under_way_at_once_and_folders_are_made_once(
    place: DriveFolder, drive: Drive, tmp_path: Path
) -> None:
    (tmp_path / "x").write_bytes(b"x")
    keys = [f"files/md5/{n % 8:02x}/{n:04}" for n in range(64)]

    results = list(
        place.transport().upload_many([(f"{tmp_path}/x", key, "") for key in keys], 12, nothing)
    )

    assert {} == errors(results)
    assert set(keys) == place.keys()
    names = [file.name for file in drive.files.values() if file.mime == FOLDER]
    assert len(names) == len(set(names))
    assert len(drive.requests) <= 64 * 2 + 8 * 2 + 12


# -- logging in ----


def test_a_user_logs_in_once_by_a_browser_and_a_line_to_paste(
    drive: Drive, clean_machine: Path
) -> None:
    options = {"gdrive_client_id": drive.ID, "gdrive_client_secret": drive.SECRET}
    script = (
        "import sys\n"
        "from pannier.store.schemes import open_transport\n"
        "from pannier.store.remote_config import RemoteConfig\n"
        f"t = open_transport(RemoteConfig('far', 'gdrive://root/x', {options!r}))\n"
        "t.write('a', b'x')\nprint('DONE', flush=True)\n"
    )
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(sys.executable, [sys.executable, "-c", script], dict(os.environ))
    shown = ""
    while "Paste it here: " not in shown:
        shown += os.read(terminal, 4096).decode()
    found = re.search(rf"{drive.endpoint}/login\?\S+", shown)
    assert found is not None
    asked = {name: value[0] for name, value in parse_qs(urlsplit(found[0]).query).items()}
    drive.challenge = asked["code_challenge"]
    os.write(terminal, f"http://127.0.0.1:9/?state={asked['state']}&code={drive.CODE}\n".encode())
    try:
        while block := os.read(terminal, 4096):
            shown += block.decode()
    except OSError:
        pass
    os.waitpid(pid, 0)

    assert "DONE" in shown
    assert ("offline", "S256", drive.ID) == (
        asked["access_type"],
        asked["code_challenge_method"],
        asked["client_id"],
    )
    kept = clean_machine / ".cache/pydrive2fs" / drive.ID / "default.json"
    assert "refresh me" == json.loads(kept.read_text())["refresh_token"]
    assert 0o600 == kept.stat().st_mode & 0o777
    assert b"x" == open_transport(RemoteConfig("far", "gdrive://root/x", options)).read("a")
