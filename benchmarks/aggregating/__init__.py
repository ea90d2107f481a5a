"""The parts of `benchmarks.aggregation`."""
