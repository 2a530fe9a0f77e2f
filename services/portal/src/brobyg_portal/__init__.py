"""The web face: who signs in, and the pages that people see."""
