"""Who reads single files of web servers keeps what lets it in to the server that it is for."""

from __future__ import annotations

from contextlib import closing

import pytest

from pannier.core.errors import NotThere
from pannier.store.remote_config import RemoteConfig
from pannier.store.transports.http_read import HttpReader
from pannier.store.transports.web_client import WebClient
from pannier.store.transports.web_options import WebOptions
from tests.servers.canned import Answer, CannedServer, Request

LOGINS = {
    "basic": {"auth": "basic", "user": "me", "password": "hunter2"},
    "custom": {"auth": "custom", "custom_auth_header": "X-My-Token", "password": "hunter2"},
}
NAMES = {"basic": "authorization", "custom": "x-my-token"}


@pytest.mark.parametrize("kind", LOGINS)
@pytest.mark.parametrize("elsewhere", [True, False])
def test_credentials_follow_no_redirect_to_another_server(kind: str, elsewhere: bool) -> None:
    seen: list[Request] = []

    def last(request: Request) -> Answer:
        seen.append(request)
        return Answer(200, b"data")

    def first(request: Request) -> Answer:
        if request.path == "/here":
            return last(request)
        return Answer(302, headers={"Location": f"{goal}/here"})

    with closing(CannedServer(first)) as one, closing(CannedServer(last)) as other:
        goal = other.endpoint if elsewhere else one.endpoint
        reader = HttpReader(RemoteConfig("x", one.endpoint, LOGINS[kind]))

        assert reader.read("file") == b"data"

    names = {name.lower() for request in seen for name in request.headers}
    assert (NAMES[kind] in names) is not elsewhere


@pytest.mark.parametrize("status", [403, 405, 501])
def test_a_server_without_head_is_asked_with_get(status: int) -> None:
    def answer(request: Request) -> Answer:
        if request.method == "HEAD":
            return Answer(status)
        return Answer(200, b"data", headers={"ETag": '"one"'})

    with closing(CannedServer(answer)) as server:
        facts = HttpReader(RemoteConfig("x", server.endpoint, {})).facts("file")

    assert facts is not None
    assert (facts.size_bytes, facts.checksum) == (4, ("checksum", '"one"'))


def test_a_url_that_names_a_folder_is_told_without_what_signs_it() -> None:
    def folder(request: Request) -> Answer:
        return Answer(302, headers={"Location": f"{request.path}/"})

    with closing(CannedServer(folder)) as server:
        client = WebClient(WebOptions("x", server.endpoint, server.endpoint, ""), "http")
        with closing(client), pytest.raises(NotThere) as caught:
            client.call("GET", f"{server.endpoint}/a/b?sv=1&sig=hunter2")

    assert str(caught.value) == f"'{server.endpoint}/a/b' is a folder"
