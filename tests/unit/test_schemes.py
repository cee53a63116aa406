"""Which transport speaks to which kind of URL."""

from __future__ import annotations

import subprocess
import sys

import pytest

from pannier.core.errors import ConfigError
from pannier.store.remote_config import RemoteConfig
from pannier.store.schemes import open_transport, scheme_of


@pytest.mark.parametrize(
    ("url", "scheme"),
    [
        ("/data/remote", "local"),
        ("../remote", "local"),
        ("file:///data", "local"),
        ("C:\\data", "local"),
        ("dir/with://inside", "local"),
        ("s3://bucket/x", "s3"),
        ("S3://bucket", "s3"),
        ("ssh://host/x", "ssh"),
        ("foo+bar://x", "foo+bar"),
    ],
)
def test_a_url_says_its_kind(url: str, scheme: str) -> None:
    assert scheme == scheme_of(url)


def test_a_kind_that_nobody_knows_is_refused_in_dvcs_words() -> None:
    with pytest.raises(ConfigError) as caught:
        open_transport(RemoteConfig("far", "foo://x"))

    assert (
        "config file error: Unsupported URL type foo:// for dictionary value "
        "@ data['remote']['far']"
    ) == str(caught.value)


def test_a_client_library_is_loaded_only_for_its_own_kind() -> None:
    script = (
        "import sys; from pannier.store import schemes; "
        "from pannier.store.remote_config import RemoteConfig; "
        "schemes.open_transport(RemoteConfig('far', '/x')); "
        "print({'asyncssh', 'obstore', 'botocore', 'configparser', 'ssl'} & set(sys.modules))"
    )

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)

    assert "set()\n" == done.stdout, done.stderr
