"""Azure Blob Storage: data through obstore."""

from __future__ import annotations

import os
from datetime import timedelta
from urllib.parse import quote

from pannier.core.errors import ConfigError
from pannier.store.remote_config import RemoteConfig
from pannier.store.transports.azure_blocks import BlocksUpload
from pannier.store.transports.azure_config import read_azure_options, resolve_azure
from pannier.store.transports.big_uploads import BigFile, CannotContinue, Sent
from pannier.store.transports.object_cloud import Cloud, CloudTransport, connect_cloud
from pannier.store.transports.object_errors import Words
from pannier.store.transports.object_store import checksum_of
from pannier.store.transports.s3_errors import Place
from pannier.store.transports.web_client import WebClient
from pannier.store.transports.web_options import WebOptions

_SIGNED_FOR = timedelta(hours=24)
_MISSING = frozenset({"ContainerNotFound", "ContainerBeingDeleted", "ContainerDisabled"})
_OVERLOAD = frozenset({"ServerBusy", "InternalError", "OperationTimedOut"})


class AzureTransport(CloudTransport):
    """See Transport."""

    bucket_missing = "ContainerNotFound"

    def __init__(self, config: RemoteConfig) -> None:
        self._options = read_azure_options(config)
        super().__init__(config.url, self._options.container, self._options.prefix)
        self.scratch = config.scratch
        self._web: WebClient | None = None
        self.words = Words(
            _MISSING,
            _OVERLOAD,
            "check the account and 'dvc remote modify --local "
            f"{config.name or '<remote>'} account_key <key>', or log in with 'az login'",
        )

    def _checksum(self, etag: str | None) -> tuple[str, str] | None:
        """With its quotes, also of a list, which leaves them out."""
        found = checksum_of(etag)
        return None if found is None else ("etag", f'"{found[1]}"')

    def _continued(self, file: BigFile) -> Sent:
        return self._blocks(file.full).send(file)

    def _blocks(self, full: str) -> BlocksUpload:
        """Raises CannotContinue where URLs cannot be signed, or nobody is there to send to them."""
        at = self._open()
        settings = resolve_azure(self._options, os.environ)
        token = (settings.credential or {}).get("sas_token")
        if settings.login.get("skip_signature") and not token:
            raise CannotContinue
        if token:
            url = f"{settings.endpoint}/{self._options.container}/{quote(full)}?{token}"
            urls = [url, url]
        else:
            try:
                urls = [at.obstore.sign(at.store, m, full, _SIGNED_FOR) for m in ("PUT", "GET")]
            except Exception:  # no key to sign with, or no way to ask for one: the usual way then
                raise CannotContinue from None
        with self._lock:
            if self._web is None:
                options = self._options
                web = WebOptions(
                    options.name,
                    self.url,
                    settings.endpoint,
                    "",
                    connect_timeout_s=options.connect_timeout_s,
                    read_timeout_s=options.read_timeout_s,
                )
                self._web = WebClient(web, "azure")
        try:
            self._web.open()
        except ConfigError:
            raise CannotContinue from None
        return BlocksUpload(self._web, full[len(self._prefix) :], *urls)

    def close(self) -> None:
        super().close()
        with self._lock:
            web, self._web = self._web, None
        if web is not None:
            web.close()

    def _connect(self) -> Cloud:
        options = self._options
        settings = resolve_azure(options, os.environ)
        place = Place(
            remote=options.name,
            url=self.url,
            bucket=options.container,
            server=settings.endpoint,
            profile=None,
            secrets=settings.secrets,
        )
        config = {"account_name": settings.account, "endpoint": settings.endpoint, **settings.login}
        credential = settings.credential
        # All that can be said at once is said: obstore takes the rest from AZURE_* variables.
        provider = None if credential is None else lambda: credential
        timeouts_s = (options.connect_timeout_s, options.read_timeout_s)
        return connect_cloud(
            ("azure", "AzureStore"), place, config, provider, timeouts_s, self.words.keys
        )
