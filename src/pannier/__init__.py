"""Pannier: data version control beside Git. Importing this package imports nothing else."""

__version__ = "0.1.0"
DVC_LEVEL = "3.67.1"
"""The release of DVC whose commands, files and answers this program implements."""
