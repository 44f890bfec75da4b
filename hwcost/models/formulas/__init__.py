"""The laws that price each kind of block, and how they are made smooth between integers."""
