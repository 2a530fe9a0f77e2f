"""Mechanism: events, delivery, time, security and observability. Knows no domain word."""
