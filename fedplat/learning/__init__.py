"""Models, tasks, local training and evaluation: what a client computes on its own data."""
