"""Nets for tables: layers, networks, fitting many at once."""
