"""Measurements: `python -m benchmarks.NAME [--quick] [--json FILE]` prints a table, writes JSON."""
