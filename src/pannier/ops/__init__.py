"""The use cases, one function each: (project, options, progress) -> report.

Knows everything below `cli`. Must not print, prompt or know another use case's module.
"""
