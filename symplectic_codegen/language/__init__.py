"""The language in which Hamiltonians are written, and the specifications around them."""
