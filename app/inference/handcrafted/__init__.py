"""Hand-crafted models: HoG and LBP, computed by threads."""
