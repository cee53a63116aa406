"""Running stages: which may run now, where, and what becomes of each.

Knows the project and executors (anything like `concurrent.futures.Executor`). Must not know who
asked or how it is told: what happens goes to a Narrator.
"""
