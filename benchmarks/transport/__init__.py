"""The parts of `benchmarks.wire`."""
