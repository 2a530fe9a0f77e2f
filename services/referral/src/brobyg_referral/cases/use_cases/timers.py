"""The kinds of timers of the cases, and when they look again: they wait for no lock."""

from datetime import timedelta

#: Fires when an appointment that needed a coordinator is over.
APPOINTMENT_OVER = "appointment_over"
#: Fires when it is to be looked at who decides on a citizen's consent.
OWN_CONSENT = "own_consent"
#: Fires when a session is over.
SESSION_OVER = "session_over"
#: After so long it is looked again at what another transaction had.
AGAIN = timedelta(seconds=10)
