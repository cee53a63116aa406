"""The operating system: walking, hashing, linking, locking, and every change of a file.

Knows `core`. Must not know what a pointer, a cache or a remote is. No other package changes files.
"""
