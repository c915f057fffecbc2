"""Model bundles: card, files, hashes and verification. The one contract between learning and service; no torch, no app."""
