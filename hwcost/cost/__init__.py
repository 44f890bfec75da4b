"""The price of a traced network: once for a table, at every training step for a loss, or for many widths at once."""
