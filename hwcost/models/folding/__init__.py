"""Discrete choices of a folded pipeline: PE, SIMD, memory style, FIFO depth."""
