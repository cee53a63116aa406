"""The algorithms that digests are made with. Apart, so that a worker imports no more than this."""

MD5 = "md5"
LEGACY = "md5-dos2unix"
"""The algorithm of DVC before 3.0: CRLF becomes LF in what looks like text, then MD5."""
