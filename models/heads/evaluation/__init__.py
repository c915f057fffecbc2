"""How good a new head and the matcher are on held-out tiles, and their calibration."""
