"""The words people read: templates with English as the source, and a catalogue for each other language."""
