"""The `fedplat` command."""
