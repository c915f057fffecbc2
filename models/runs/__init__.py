"""Training and evaluation runs, from folders of images to bundles and reports."""
