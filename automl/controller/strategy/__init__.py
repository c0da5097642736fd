"""Choices of a search: the next family, its settings, and the models that are kept in the end."""
