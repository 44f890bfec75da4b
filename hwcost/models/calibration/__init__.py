"""The corpus of synthesized units, the constants fitted to it, and the error that remains."""
