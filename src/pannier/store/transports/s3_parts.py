"""Objects that come in parts at an S3 server, through botocore: obstore does not list them."""

from __future__ import annotations

from collections.abc import Callable

from pannier.core.errors import PannierError
from pannier.core.typed import Any
from pannier.store.transports.s3_odd_keys import OddKeys


class S3Parts:
    """See Parted. Requests are signed with the SHA-256 of the part, so no server takes a damaged
    one. explain: the contract's error for botocore's."""

    def __init__(
        self, odd: OddKeys, bucket: str, full: str, explain: Callable[[Exception], PannierError]
    ) -> None:
        self._odd, self._explain = odd, explain
        self.place = {"Bucket": bucket, "Key": full}

    def begin(self) -> str:
        more = {**self._odd.extra, **self._odd.customer}
        return str(self._ask("create_multipart_upload", **more)["UploadId"])

    def listed(self, upload: str) -> dict[int, tuple[str, int]]:
        found: dict[int, tuple[str, int]] = {}
        after = 0
        while True:
            page = self._ask("list_parts", UploadId=upload, PartNumberMarker=after)
            for part in page.get("Parts", ()):
                found[part["PartNumber"]] = part["ETag"], part["Size"]
            before, after = after, int(page.get("NextPartNumberMarker") or 0)
            if not page.get("IsTruncated") or after <= before:
                return found

    def put(self, upload: str, number: int, data: bytes) -> str:
        part = {"UploadId": upload, "PartNumber": number, "Body": data}
        return str(self._ask("upload_part", **part, **self._odd.customer)["ETag"])

    def complete(self, upload: str, parts: list[tuple[int, str]]) -> dict[str, Any]:
        rows = [{"PartNumber": number, "ETag": etag} for number, etag in parts]
        given = {"UploadId": upload, "MultipartUpload": {"Parts": rows}}
        told = self._ask("complete_multipart_upload", **given, **self._odd.customer)
        return {"e_tag": told.get("ETag"), "version": told.get("VersionId")}

    def give_up(self, upload: str) -> None:
        self._ask("abort_multipart_upload", UploadId=upload)

    def _ask(self, operation: str, **given: Any) -> dict[str, Any]:
        try:
            answer: dict[str, Any] = getattr(self._odd.client, operation)(**self.place, **given)
        except Exception as error:
            raise self._explain(error) from None
        return answer
