"""What Azure and Google share beyond object_store: connections, errors, keys that cannot be."""

from __future__ import annotations

import contextlib

from pannier.core.errors import ConfigError, PannierError, TransportError
from pannier.core.record import dataclass
from pannier.core.typed import Any
from pannier.store.notes import Note, is_noted, open_note
from pannier.store.transport import key_of_version
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

_TRIAL = ".pannier-versions"
"""A key that is written to see whether versions are kept."""


@dataclass(frozen=True, slots=True)
class Cloud:
    """See object_client.Client."""

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
    keys: str,
) -> Cloud:
    """kind: the extra and obstore's class. provider: of credentials, or None. timeouts_s: to
    connect and to read. keys: as of Words. Raises ConfigError."""
    obstore, store_class = library(*kind)
    connect_s, read_s = timeouts_s
    try:
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
    except PannierError:
        raise
    except Exception as error:  # it reads keys at once; what it says of one may quote it
        raise ConfigError(
            f"the settings or credentials for '{place.url}' cannot be used"
            f" ({type(error).__name__})",
            hint=keys,
        ) from None
    return Cloud(obstore, store, slow, place)


class CloudTransport(ObjectTransport):
    """See Transport."""

    words: Words

    def keeps_versions(self) -> bool:
        """See Versioning. Buckets are not asked, for who may write into one may seldom read its
        settings: an object of our own is written twice, and its first version looked for."""
        with open_note(self.scratch, self.url, _TRIAL) or contextlib.nullcontext() as note:
            try:
                told = self._call(_TRIAL, lambda: self._put(self._prefix + _TRIAL, b"1"))
                first = told.get("version")
                if first is None:
                    return False
                self.write(_TRIAL, b"2")
                return self.stat(key_of_version(_TRIAL, first)) is not None
            finally:
                self._remove_trial(note)

    def tidy(self) -> None:
        """See Versioning."""
        if is_noted(self.scratch, self.url, _TRIAL):
            with open_note(self.scratch, self.url, _TRIAL) or contextlib.nullcontext() as note:
                self._remove_trial(note)

    def _remove_trial(self, note: Note | None) -> None:
        with contextlib.suppress(PannierError):  # who may write may not always delete
            self.delete(_TRIAL)
            if note is not None:
                note.drop()

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
