"""One opened project: its root, settings, stages and workspace.

Knows everything below. Must not know commands, options or a terminal.
"""
