"""Networks as hardware sees them: integer ranges, blocks, and the rules by which `trace` finds them."""
