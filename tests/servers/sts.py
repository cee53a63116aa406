"""Who gives short-lived keys at Amazon: STS (roles, web identities) and SSO's portal.

Both behind one port: they are told apart by what is asked. The keys are numbered, so that a test
sees which ones were used; how long they hold is for the test to say.
"""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs

from tests.servers.canned import Answer, CannedServer, Request


class KeyGiver:
    """asked: what was asked for, in order: 'AssumeRole', 'AssumeRoleWithWebIdentity', 'SSO'.

    lifetime_s: of the keys given from now on. token: the SSO log-in that counts, and the web
    identity that does. pairs: the keys given, without their numbers, when a real server has to
    know them. codes: of the MFA device, each for one use; None for roles that want none.
    """

    def __init__(self, token: str, key_id: str = "", secret: str = "") -> None:
        self.asked: list[str] = []
        self.lifetime_s = 3600
        self.token = token
        self.codes: list[str] | None = None
        self._fixed = (key_id, secret) if key_id else None
        self._lock = threading.Lock()
        self._server = CannedServer(self._answer)
        self.endpoint = self._server.endpoint

    def close(self) -> None:
        self._server.close()

    def _answer(self, request: Request) -> Answer:
        if request.path.startswith("/federation/credentials"):
            if request.headers.get("x-amz-sso_bearer_token") != self.token:
                return Answer(
                    401,
                    b'{"message":"Session token not found or invalid"}',
                    {"x-amzn-ErrorType": "UnauthorizedException"},
                )
            return self._portal()
        asked = parse_qs(request.body.decode())
        action = asked["Action"][0]
        if action == "AssumeRoleWithWebIdentity" and asked["WebIdentityToken"] != [self.token]:
            code = b"<Code>InvalidIdentityToken</Code>"
            body = b"<ErrorResponse><Error>" + code + b"</Error></ErrorResponse>"
            return Answer(400, body, {"Content-Type": "text/xml"})
        code = asked.get("TokenCode", [""])[0]
        if action == "AssumeRole" and self.codes is not None:
            if code not in self.codes or "SerialNumber" not in asked:
                body = b"<ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>"
                return Answer(403, body, {"Content-Type": "text/xml"})
            self.codes.remove(code)
        return self._role(action)

    def _keys(self, action: str) -> tuple[str, str, datetime]:
        with self._lock:
            self.asked.append(action)
            key_id, secret = self._fixed or (f"KEY{len(self.asked)}", "secret")
        return key_id, secret, datetime.now(UTC) + timedelta(seconds=self.lifetime_s)

    def _portal(self) -> Answer:
        key_id, secret, until = self._keys("SSO")
        keys = {
            "accessKeyId": key_id,
            "secretAccessKey": secret,
            "sessionToken": "session",
            "expiration": int(until.timestamp() * 1000),
        }
        return Answer(200, json.dumps({"roleCredentials": keys}).encode())

    def _role(self, action: str) -> Answer:
        key_id, secret, until = self._keys(action)
        body = (
            f'<{action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/">'
            f"<{action}Result><Credentials><AccessKeyId>{key_id}</AccessKeyId>"
            f"<SecretAccessKey>{secret}</SecretAccessKey><SessionToken>session</SessionToken>"
            f"<Expiration>{until:%Y-%m-%dT%H:%M:%SZ}</Expiration></Credentials>"
            f"</{action}Result></{action}Response>"
        )
        return Answer(200, body.encode(), {"Content-Type": "text/xml"})
