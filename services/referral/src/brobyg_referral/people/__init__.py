"""Citizens: who they are, how they are reached, and what helpers must know of them."""
