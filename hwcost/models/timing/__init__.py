"""Delays of units, the clock that a pipeline reaches, and the registers that a clock asks for."""
