"""The read side: event log, projections, rebuild."""
