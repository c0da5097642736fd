"""Nets for texts: encoders, tokens, frozen features, heads, and the training of whole encoders."""
