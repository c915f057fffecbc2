"""Training data, from image files to batches: listing, splits, the cache of decoded images, samplers, augmentation."""
