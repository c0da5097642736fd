"""Fitted transformations of a table: learned from training rows, applied in numpy, saved without pickle."""
