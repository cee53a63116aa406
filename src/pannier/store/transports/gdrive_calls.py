"""Requests to Google Drive, version 3: rate limits obeyed, second tries, errors in our words.

Drive counts requests by the minute and user. One thread that is told to slow down slows all.
Source: Google's description of the Drive API, "Resolve errors".
"""

from __future__ import annotations

import contextlib
import json
import random
import threading
import time
from collections.abc import Iterator
from urllib.parse import urlencode

from pannier.core.errors import AccessDenied, NotThere, PannierError, TransportError
from pannier.core.typed import Any
from pannier.store.transports.gdrive_options import DriveOptions
from pannier.store.transports.gdrive_tokens import DriveTokens
from pannier.store.transports.google_tokens import posted_by
from pannier.store.transports.web_client import WebClient
from pannier.store.transports.web_errors import failed
from pannier.store.transports.web_options import WebOptions

_ANY = frozenset(range(200, 600))
_TRIES = 9
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.25, 64.0
_SLOW = {"rateLimitExceeded", "userRateLimitExceeded", "sharingRateLimitExceeded"}
_FULL = {"storageQuotaExceeded", "teamDriveFileLimitExceeded", "numChildrenInNonRootLimitExceeded"}
_FULL |= {"dailyLimitExceeded", "activeItemCreationLimitExceeded"}


class DriveCalls:
    """For all threads of one remote."""

    def __init__(self, options: DriveOptions) -> None:
        self.options = options
        self._web = WebOptions(options.name, options.shown, options.server, "bearer")
        self._client = WebClient(
            self._web, "gdrive", DriveTokens(options, posted_by(lambda: self._client))
        )
        self.first_pause_s, self.longest_pause_s = _FIRST_PAUSE_S, _LONGEST_PAUSE_S
        self._lock = threading.Lock()
        self._not_before_s = 0.0

    def open(self) -> None:
        """Raises what is wrong with the credentials."""
        self._client.open()
        self._client.tokens_ready()

    def close(self) -> None:
        self._client.close()

    @contextlib.contextmanager
    def ask(
        self,
        method: str,
        path: str,
        key: str = "",
        *,
        good: tuple[int, ...] = (200,),
        headers: dict[str, str] | None = None,
        body: bytes | list[bytes] | None = None,
        query: dict[str, str] | None = None,
        tries: int = _TRIES,
    ) -> Iterator[Any]:
        """An answer with one of the good statuses, its body not read yet.

        path: below the server, or a whole URL of it. body: a list is sent once; bytes are sent
        again when the connection breaks. Raises the contract's errors.
        """
        url = path if "://" in path else f"{self.options.server}{path}"
        url = f"{url}?{urlencode(query)}" if query else url
        for attempt in range(tries):
            self._wait()
            handed = False
            try:
                with self._client.ask(
                    method, url, key, good=_ANY, headers=headers, body=body
                ) as answer:
                    if answer.status_code in good:
                        self._recovered()
                        handed = True
                        yield answer
                        return
                    error = self._refusal(answer, key)
            except TransportError as lost:
                if handed:
                    raise
                error = lost
            if not error.temporary or attempt == tries - 1:
                raise error
            self._slow_down(attempt)

    def told(self, method: str, path: str, key: str = "", **more: Any) -> dict[str, Any]:
        """A small answer as a value."""
        with self.ask(method, path, key, **more) as answer:
            data = b"".join(answer.iter_raw())
        try:
            found: dict[str, Any] = json.loads(data) if data else {}
        except ValueError:
            raise TransportError(f"{self.options.server} does not answer as Drive does") from None
        return found

    def failed(self, error: BaseException) -> PannierError:
        return failed(error, self._web)

    # -- how ----

    def _wait(self) -> None:
        with self._lock:
            pause_s = self._not_before_s - time.monotonic()
        if pause_s > 0:
            time.sleep(pause_s * (1 + random.random() / 4))

    def _slow_down(self, attempt: int) -> None:
        pause_s = min(self.first_pause_s * 2**attempt, self.longest_pause_s)
        pause_s *= 0.75 + random.random() / 2
        with self._lock:
            self._not_before_s = max(self._not_before_s, time.monotonic() + pause_s)

    def _recovered(self) -> None:
        with self._lock:
            self._not_before_s = 0.0

    def _refusal(self, answer: Any, key: str) -> TransportError:
        status = answer.status_code
        where = f"'{key}' in '{self.options.shown}'" if key else f"'{self.options.shown}'"
        try:
            said = json.loads(b"".join(answer.iter_raw()))["error"]
            reason = str((said.get("errors") or [{}])[0].get("reason", ""))
            text = str(said.get("message", ""))[:300]
        except (ValueError, KeyError, TypeError, AttributeError, IndexError):
            reason, text = "", f"status {status}"
        if status == 404:
            return NotThere(f"{where} does not exist")
        if reason in _FULL:
            return TransportError(f"Google Drive takes no more: {text} ({reason})")
        if status == 429 or status >= 500 or reason in _SLOW:
            slow = TransportError(
                "Google Drive wants fewer requests" if status < 500 else f"Google Drive: {text}",
                hint="fewer at a time: '--jobs 2'" if status < 500 else None,
            )
            slow.temporary = True
            return slow
        if reason in ("cannotDownloadAbusiveFile", "abuse"):
            return AccessDenied(
                f"Google takes {where} for harmful, and gives it only to who says that he knows",
                hint=self.options.modify("gdrive_acknowledge_abuse", "true"),
            )
        if status in (401, 403):
            return AccessDenied(
                f"no access to {where}: {text}", hint="share the folder with who asks, as an editor"
            )
        return TransportError(f"Google Drive refused {where}: {text} ({status})")
