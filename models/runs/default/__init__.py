"""Training of the bundle that ships with Dyad."""
