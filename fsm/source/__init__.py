"""The file as written: its text, its tree with places, its definition, and what is wrong with them."""

from fsm.source.reader import Source, read

__all__ = ["Source", "read"]
