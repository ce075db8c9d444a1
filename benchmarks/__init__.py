"""How fast and how large: run by hand, timings are ratios within one run (docs/benchmarks.md)."""
