"""The web face: here the page on which a volunteer answers an offer."""
