"""The parts of `benchmarks.sim`: workload, cells in processes of their own, figures."""
