"""Referrals with their consent, appointments, sessions, and the needs that they lead to."""
