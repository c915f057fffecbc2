"""Images on disk to batches of tensors: listing, splits, the decoded cache, samplers, augmentation."""
