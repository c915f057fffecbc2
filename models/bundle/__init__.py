"""Model bundles: card, files, hashes, verification. The contract between training and service, without torch and app."""
