"""Training tasks: encoders, matchers, autoencoders."""
