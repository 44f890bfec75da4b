"""What a network is to hardware: integer ranges, blocks, and the rules by which `trace` finds them."""
