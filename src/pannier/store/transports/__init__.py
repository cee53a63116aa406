"""One module per kind of place where bytes can live; `store.schemes` loads them by URL scheme.

Knows the Transport protocol and one client library each. Must not know digests or projects.
"""
