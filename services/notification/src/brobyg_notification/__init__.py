"""Tells helpers, citizens and coordinators, exactly once per cause."""
