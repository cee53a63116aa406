"""Azure Blob Storage: data through obstore."""

from __future__ import annotations

import os

from pannier.store.remote_config import RemoteConfig
from pannier.store.transports.azure_config import read_azure_options, resolve_azure
from pannier.store.transports.object_cloud import Cloud, CloudTransport, connect_cloud
from pannier.store.transports.object_errors import Words
from pannier.store.transports.s3_errors import Place

_MISSING = frozenset({"ContainerNotFound", "ContainerBeingDeleted", "ContainerDisabled"})
_OVERLOAD = frozenset({"ServerBusy", "InternalError", "OperationTimedOut"})


class AzureTransport(CloudTransport):
    """See Transport."""

    bucket_missing = "ContainerNotFound"

    def __init__(self, config: RemoteConfig) -> None:
        self._options = read_azure_options(config)
        super().__init__(config.url, self._options.container, self._options.prefix)
        self.words = Words(
            _MISSING,
            _OVERLOAD,
            "check the account and 'dvc remote modify --local "
            f"{config.name or '<remote>'} account_key <key>', or log in with 'az login'",
        )

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
        return connect_cloud(("azure", "AzureStore"), place, config, provider, timeouts_s)
