"""What servers answer to who goes on with a big upload: no such upload, not now, not you.

One scene for all: an upload broke off when some of it was there; the first answers to the next run
come from the proxy.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from pannier.core.errors import AccessDenied, TransportError, Unreachable
from pannier.store.remote_config import RemoteConfig
from pannier.store.schemes import open_transport
from pannier.store.transport import Result, Transport
from pannier.store.transports import web_client
from tests.contract.places import Bucket, Container, nothing
from tests.servers import rclone
from tests.servers.azurite import Azurite
from tests.servers.keeping import KeepingGs
from tests.servers.proxy import FaultProxy

Proxied = Callable[[str], FaultProxy]

MIB = 1 << 20
BIG = random.Random(1).randbytes(41 * MIB)
DIGEST = hashlib.md5(BIG).hexdigest()
ALWAYS = 1 << 30
TRIES = 3
"""So often the clients' libraries ask a busy server."""


@dataclass(frozen=True, slots=True)
class Server:
    """kept: bytes of uploads that are not finished. forget: gives these up. look: what is there
    under the name."""

    proxy: FaultProxy
    config: RemoteConfig
    kept: Callable[[], int]
    look: Callable[[], bytes | None]
    forget: Callable[[], None] = lambda: None


@pytest.fixture
def s3(swift_place: Bucket, fault_proxy: Proxied) -> Server:
    proxy = fault_proxy(swift_place.server.endpoint)
    client, bucket = swift_place.server.client, swift_place.name

    def uploads() -> list[dict[str, str]]:
        found = client.list_multipart_uploads(Bucket=bucket).get("Uploads", ())
        return [{"Bucket": bucket, "Key": u["Key"], "UploadId": u["UploadId"]} for u in found]

    def kept() -> int:
        pages = [client.list_parts(**upload).get("Parts", ()) for upload in uploads()]
        return sum(part["Size"] for parts in pages for part in parts)

    def forget() -> None:
        for upload in uploads():
            client.abort_multipart_upload(**upload)

    config = swift_place.config_with(endpointurl=proxy.endpoint)
    return Server(proxy, config, kept, lambda: swift_place.look("big"), forget)


@pytest.fixture
def azure(azure_place: Container, azure_server: Azurite, fault_proxy: Proxied) -> Server:
    proxy = fault_proxy(f"http://127.0.0.1:{azure_server.port}")
    there = azure_server.connection_string_at(f"{proxy.endpoint}/{azure_server.account}")
    box, key = azure_place.name, f"{azure_place.prefix}/big"

    def kept() -> int:
        return sum(azure_server.blocks(box, key)) if azure_server.unfinished(box) else 0

    config = azure_place.config_with(connection_string=there)
    return Server(proxy, config, kept, lambda: azure_place.look("big"))


@pytest.fixture
def gs(fault_proxy: Proxied, tmp_path: Path) -> Iterator[Server]:
    (tmp_path / "account.json").write_text(json.dumps(rclone.ACCOUNT))
    with closing(KeepingGs()) as server:
        proxy = fault_proxy(server.endpoint)
        given = {
            "endpointurl": proxy.endpoint,
            "credentialpath": str(tmp_path / "account.json"),
        }
        config = RemoteConfig("far", f"gs://{server.bucket}/pre", given, frozenset(given))

        def look() -> bytes | None:
            kept = server.names.get("pre/big")
            return kept.versions[kept.now] if kept and kept.now else None

        yield Server(proxy, config, server.kept, look, server.uploads.clear)


KINDS = {"s3": "s3", "azure": "azure", "gs": "gs"}
BY_NOTE = [pytest.param(k, marks=pytest.mark.xdist_group(KINDS[k])) for k in ("s3", "gs")]


@pytest.fixture(
    params=[pytest.param(k, marks=pytest.mark.xdist_group(g)) for k, g in KINDS.items()]
)
def server(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Server:
    monkeypatch.setattr(web_client, "_FIRST_PAUSE_S", 0.001)  # how long is not what is tested here
    found: Server = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def begun(server: Server, local: Path) -> Iterator[Transport]:
    """Its upload of a big object broke off."""
    (local / "big").write_bytes(BIG)
    proxy = server.proxy
    with closing(open_transport(replace(server.config, scratch=str(local / "notes")))) as opened:
        proxy.bytes_per_s = 30 * MIB
        assert isinstance(send(opened, local, lambda _: proxy.cut_after(1)).error, Unreachable)
        proxy.cut_after(None)
        proxy.bytes_per_s = 0
        assert 8 * MIB <= server.kept() < len(BIG)
        yield opened


def send(transport: Transport, local: Path, tell: Callable[[int], None] = nothing) -> Result:
    (result,) = transport.upload_many([(f"{local}/big", "big", DIGEST)], 1, tell)
    return result


def check_that_it_goes_on(server: Server, transport: Transport, local: Path) -> None:
    kept, before = server.kept(), server.proxy.sent

    assert send(transport, local).error is None
    assert server.proxy.sent - before < len(BIG) - kept + MIB
    assert server.look() == BIG
    assert 0 == server.kept()


@pytest.mark.parametrize("status", [503, 429])
def test_a_busy_server_is_asked_again_and_nothing_begins_anew(
    server: Server, begun: Transport, local: Path, status: int
) -> None:
    kept = server.kept()
    server.proxy.refuse(TRIES, status)

    error = send(begun, local).error

    assert isinstance(error, TransportError)
    assert error.temporary
    assert kept == server.kept()
    check_that_it_goes_on(server, begun, local)


def test_a_server_that_refuses_who_asks_says_so_and_nothing_begins_anew(
    server: Server, begun: Transport, local: Path
) -> None:
    kept = server.kept()
    server.proxy.refuse(ALWAYS, 403)

    error = send(begun, local).error

    server.proxy.refuse(0)
    assert isinstance(error, AccessDenied)
    assert error.hint is not None
    assert kept == server.kept()
    check_that_it_goes_on(server, begun, local)


@pytest.mark.parametrize("status", [403, 404, 405, 501])
def test_where_what_came_is_not_told_the_upload_begins_anew(
    server: Server, begun: Transport, local: Path, status: int
) -> None:
    """The right to list parts is one that not all have who may send them."""
    before = server.proxy.sent
    server.proxy.refuse(1, status)

    assert send(begun, local).error is None

    assert server.proxy.sent - before > len(BIG)
    assert server.look() == BIG


@pytest.mark.parametrize("server", BY_NOTE, indirect=True)
def test_an_upload_that_the_server_forgot_begins_anew(
    server: Server, begun: Transport, local: Path
) -> None:
    server.forget()
    before = server.proxy.sent

    assert send(begun, local).error is None

    assert server.proxy.sent - before > len(BIG)
    assert server.look() == BIG


@pytest.mark.parametrize("server", BY_NOTE, indirect=True)
def test_an_upload_that_is_given_up_meanwhile_is_worth_another_try(
    server: Server, begun: Transport, local: Path
) -> None:
    """As by 'gc --cloud' of somebody else, or a rule of the bucket's."""
    told: list[int] = []

    def tell(count: int) -> None:
        told.append(count)
        if len(told) == 1:
            server.forget()

    error = send(begun, local, tell).error

    assert isinstance(error, TransportError)
    assert error.temporary
    assert send(begun, local).error is None
    assert server.look() == BIG
    assert 0 == server.kept()


def test_a_server_that_is_busy_for_a_moment_does_not_stop_an_upload(
    server: Server, begun: Transport, local: Path
) -> None:
    told: list[int] = []

    def tell(count: int) -> None:
        told.append(count)
        if len(told) == 1:
            server.proxy.refuse(2, 503)

    assert send(begun, local, tell).error is None

    assert server.look() == BIG
