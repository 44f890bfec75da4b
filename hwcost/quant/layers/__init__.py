"""Quantized layers, one file for each family."""
