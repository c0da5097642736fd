"""Columns: their kinds, and the plans that turn them into features."""
