"""The peers' side of `benchmarks.sim`: each `run_*.py` runs inside the environment of one peer."""
