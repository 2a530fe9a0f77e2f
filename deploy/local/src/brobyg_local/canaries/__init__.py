"""Searching a whole system for people whose every value is known, to show that nobody has them."""

from .needles import Canary
from .places import Places
from .search import Finding, Searched, search

__all__ = ["Canary", "Finding", "Places", "Searched", "search"]
