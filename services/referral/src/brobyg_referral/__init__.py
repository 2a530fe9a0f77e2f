"""Intake of referrals, consent, citizens and the hospital's appointments."""
