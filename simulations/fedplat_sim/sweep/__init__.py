"""Experiments: arms × grid × seeds, each cell a run; tuned on validation, compared in pairs."""
