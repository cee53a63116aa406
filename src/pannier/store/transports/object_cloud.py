"""What Azure and Google share beyond object_store: connections, errors, keys that cannot be."""

from __future__ import annotations

from pannier.core.errors import PannierError, TransportError
from pannier.core.record import dataclass
from pannier.core.typed import Any
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


@dataclass(frozen=True, slots=True)
class Cloud:
    """See object_store.Client."""

    obstore: Any
    store: Any
    slow: Any
    place: Place


def connect_cloud(
    kind: tuple[str, str],
    place: Place,
    config: dict[str, Any],
    provider: Any,
    timeouts_s: tuple[float, float],
) -> Cloud:
    """kind: the extra and obstore's class. provider: of credentials, or None. timeouts_s: to
    connect and to read."""
    obstore, store_class = library(*kind)
    connect_s, read_s = timeouts_s
    store, slow = (
        store_class(
            place.bucket,
            config=config,
            client_options=client_options(place.server, connect_s, timeout_s),
            retry_config=RETRIES,
            credential_provider=provider,
        )
        for timeout_s in (read_s, max(read_s, SLOW_UPLOAD_S))
    )
    return Cloud(obstore, store, slow, place)


class CloudTransport(ObjectTransport):
    """See Transport."""

    words: Words

    def _open(self) -> Cloud:
        opened = super()._open()
        assert isinstance(opened, Cloud)
        return opened

    def _error(self, error: BaseException, key: str) -> PannierError:
        return explain_cloud(error, self._open().place, key, self.words)

    def _no_server(self) -> PannierError:
        return TransportError(
            f"{self._open().place.server} answers, but not as an object store does",
            hint="check the remote's settings, and whether a log-in page stands between",
        )

    def _check_key(self, full: str) -> None:
        if is_odd(full):
            raise odd_key(full[len(self._prefix) :], self.url)
