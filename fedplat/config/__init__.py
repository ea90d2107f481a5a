"""A scenario says what a federation computes; it is checked whole before round 1."""
