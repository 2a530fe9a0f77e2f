"""A hospital's week, played through the public doors of a running system and looked at afterwards."""
