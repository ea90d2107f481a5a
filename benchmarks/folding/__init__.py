"""The parts of `benchmarks.fold`."""
