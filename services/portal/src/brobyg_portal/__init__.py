"""The web face: the pages that people see."""
