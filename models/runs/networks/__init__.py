"""Training runs by kind of network: encoder, matcher, autoencoder, Siamese network."""
