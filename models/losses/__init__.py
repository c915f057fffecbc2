"""Losses of metric learning, one per file; `configs` names them (free of torch), `build` makes them."""
