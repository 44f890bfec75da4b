"""Fully unrolled layers, whose weights are constants in the fabric."""
