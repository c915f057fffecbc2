"""The JSON documents that clients send and receive: one module per resource, and what they share."""
