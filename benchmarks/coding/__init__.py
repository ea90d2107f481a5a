"""What `python -m benchmarks.codecs` measures, and on what."""
