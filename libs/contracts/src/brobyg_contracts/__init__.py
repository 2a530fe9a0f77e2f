"""Facts on the wire: event types, topics and places, generated from schemas/."""
