"""Values and pure rules: what a digest, a path, a manifest, a stage, a difference and a plan are.

Knows the standard library only. Must not know the disk, Git, a network or a terminal.
"""
