"""What is trained: encoders, matchers, autoencoders."""
