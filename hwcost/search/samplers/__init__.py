"""Samplers: how the next trial is proposed."""
