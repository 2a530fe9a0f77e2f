"""Volunteers, offers and matches."""
