"""Text to values and back: pointers, pipelines, lock files, config, ignore files.

Knows `core` and the YAML and pattern libraries. Must not open a file.
"""
