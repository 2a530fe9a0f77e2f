"""The web face: here the page on which a helper answers an offer."""
