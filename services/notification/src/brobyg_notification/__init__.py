"""Tells volunteers, citizens and coordinators, exactly once per cause."""
