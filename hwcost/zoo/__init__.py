"""Reference networks, data loading, and the recipes that `hwcost sweep` knows by name."""
