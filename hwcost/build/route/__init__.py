"""Place and route: accelerators on a real part, with tools from packages alone."""
