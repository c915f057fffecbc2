"""Losses of metric learning, one per file; `configs` has their settings (free of torch), `build` builds them."""
