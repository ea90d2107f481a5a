"""Processes that are killed with signal 9 at chosen moments, and what comes of the federation."""
