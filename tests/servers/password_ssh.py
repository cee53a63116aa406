"""An SSH server of another maker (asyncssh's), for what OpenSSH asks the system's users for:
passwords, typed as such or as answers to questions."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import asyncssh

USER, PASSWORD = "tester", "PASSWORD0123"


class _Login(asyncssh.SSHServer):
    def __init__(self, questions: bool) -> None:
        self._questions = questions

    def begin_auth(self, username: str) -> bool:
        return True

    def password_auth_supported(self) -> bool:
        return not self._questions

    def validate_password(self, username: str, password: str) -> bool:
        return (username, password) == (USER, PASSWORD)

    def kbdint_auth_supported(self) -> bool:
        return self._questions

    def get_kbdint_challenge(self, username: str, lang: str, submethods: str) -> Any:
        return "", "", "", [("Password: ", False)]

    def validate_kbdint_response(self, username: str, responses: Any) -> bool:
        return (username, *responses) == (USER, PASSWORD)


class PasswordSsh:
    """A running server that shows this machine's files. questions: keyboard-interactive."""

    def __init__(self, *, questions: bool) -> None:
        self._key = asyncssh.generate_private_key("ssh-ed25519")
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = self._run(self._listen(questions))
        self.port = self._server.get_port()

    async def _listen(self, questions: bool) -> Any:
        return await asyncssh.listen(
            "127.0.0.1",
            0,
            server_factory=lambda: _Login(questions),
            server_host_keys=[self._key],
            sftp_factory=True,
        )

    def let_in(self, home: Path) -> None:
        settings = home / ".ssh"
        settings.mkdir(mode=0o700, exist_ok=True)
        public = self._key.export_public_key().decode().strip()
        with (settings / "known_hosts").open("a") as known:
            known.write(f"[127.0.0.1]:{self.port} {public}\n")

    def url(self, path: Path) -> str:
        return f"ssh://{USER}@127.0.0.1:{self.port}{path}"

    def close(self) -> None:
        async def end() -> None:
            self._server.close()
            await self._server.wait_closed()

        self._run(end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(60)
        self._loop.close()

    def _run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)
