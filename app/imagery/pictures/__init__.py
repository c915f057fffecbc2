"""Pictures: decoding JPEG, PNG and WebP, previews, resizing, and files of tiles."""
