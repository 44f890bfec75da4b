"""Whole accelerators: priced blocks composed into a pipeline, simulated, synthesized, routed."""
