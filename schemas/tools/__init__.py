"""Tools that read `schemas/`: the generator and the compatibility check."""
