"""Faults and senseless inputs, by the thousand: `benchmarks/faults.py` and `benchmarks/inputs.py` run them."""
