"""One run per kind of network: encoder, matcher, autoencoder, Siamese pair."""
