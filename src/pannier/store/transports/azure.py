"""Azure Blob Storage: data through obstore."""

from __future__ import annotations

import os

from pannier.core.errors import PannierError, TransportError
from pannier.core.record import dataclass
from pannier.core.typed import Any
from pannier.store.remote_config import RemoteConfig
from pannier.store.transports.azure_config import (
    AzureSettings,
    read_azure_options,
    resolve_azure,
)
from pannier.store.transports.object_client import (
    RETRIES,
    SLOW_UPLOAD_S,
    client_options,
    library,
)
from pannier.store.transports.object_errors import Words, explain_cloud, odd_key
from pannier.store.transports.object_store import ObjectTransport
from pannier.store.transports.s3_errors import Place
from pannier.store.transports.s3_odd_keys import is_odd

_MISSING = frozenset({"ContainerNotFound", "ContainerBeingDeleted", "ContainerDisabled"})
_OVERLOAD = frozenset({"ServerBusy", "InternalError", "OperationTimedOut"})


@dataclass(frozen=True, slots=True)
class Connection:
    obstore: Any
    store: Any
    slow: Any
    place: Place


class AzureTransport(ObjectTransport):
    """See Transport."""

    bucket_missing = "ContainerNotFound"

    def __init__(self, config: RemoteConfig) -> None:
        self._options = read_azure_options(config)
        super().__init__(config.url, self._options.container, self._options.prefix)
        self._words = Words(
            _MISSING,
            _OVERLOAD,
            "check the account and 'dvc remote modify --local "
            f"{config.name or '<remote>'} account_key <key>', or log in with 'az login'",
        )

    def _connect(self) -> Connection:
        settings = resolve_azure(self._options, os.environ)
        obstore, store_class = library("azure", "AzureStore")
        options = self._options
        stores = [
            store_class(
                options.container,
                config={
                    "account_name": settings.account,
                    "endpoint": settings.endpoint,
                    **settings.login,
                },
                client_options=client_options(
                    settings.endpoint, options.connect_timeout_s, timeout_s
                ),
                retry_config=RETRIES,
                credential_provider=_provider(settings),
            )
            for timeout_s in (options.read_timeout_s, max(options.read_timeout_s, SLOW_UPLOAD_S))
        ]
        place = Place(
            remote=options.name,
            url=self.url,
            bucket=options.container,
            server=settings.endpoint,
            profile=None,
            secrets=settings.secrets,
        )
        return Connection(obstore, stores[0], stores[1], place)

    def _open(self) -> Connection:
        opened = super()._open()
        assert isinstance(opened, Connection)
        return opened

    def _error(self, error: BaseException, key: str) -> PannierError:
        return explain_cloud(error, self._open().place, key, self._words)

    def _no_server(self) -> PannierError:
        return TransportError(
            f"{self._open().place.server} answers, but not as Azure Blob Storage does",
            hint="check the account, and whether a proxy or log-in page stands between",
        )

    def _check_key(self, full: str) -> None:
        if is_odd(full):
            raise odd_key(full[len(self._prefix) :], self.url)


def _provider(settings: AzureSettings) -> Any:
    """Says everything that can be said at once: obstore takes the rest from AZURE_* variables."""
    credential = settings.credential
    return None if credential is None else lambda: credential
