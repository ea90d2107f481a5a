"""The in-process federation: wiring, virtual clock, reports, sweeps."""
