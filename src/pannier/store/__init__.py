"""Content-addressed bytes, on this machine and far away, and how they travel between the two.

Knows `core`, `formats` and `disk`. Must not know Git, a workspace or a pointer's place in it.
"""
