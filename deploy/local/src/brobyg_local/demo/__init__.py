"""A hospital's week, played through the public interfaces of a running system, then summed up."""
