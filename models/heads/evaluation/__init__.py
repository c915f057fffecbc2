"""Quality of a new head and of the matcher on held-out tiles, and calibration."""
