"""Everything behind `hwcost sweep`: settings, trials, the front, and the files of a study."""
