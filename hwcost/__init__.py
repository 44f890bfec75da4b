"""FPGA cost while you train."""
