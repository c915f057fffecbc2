"""Training of the bundles that ship with Dyad, `dyad-rgb` and `dyad-rgb-research`, from ImageNet weights."""
