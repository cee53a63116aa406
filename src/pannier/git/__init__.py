"""Git, through its command-line plumbing: revisions, trees, ignore rules, the index, hooks' place.

Knows `core` and `disk`. Must not know stores, remotes or what data is tracked.
"""
