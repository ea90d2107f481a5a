"""Finds the schedules of faults under which a federation would go wrong.  See docs/chaos.md."""
