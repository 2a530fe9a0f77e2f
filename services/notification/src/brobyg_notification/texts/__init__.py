"""The words people read: templates in English, and a catalogue for each other language."""
