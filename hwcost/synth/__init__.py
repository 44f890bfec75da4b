"""Ground truth: RTL of what the models price, synthesized by open tools and counted."""
