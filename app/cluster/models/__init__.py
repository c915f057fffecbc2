"""Model bundles that all processes of a cluster share through the blob store."""
