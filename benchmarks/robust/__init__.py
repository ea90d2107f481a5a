"""What `benchmarks.robustness` is made of: federations under attack, in a loop of their own."""
