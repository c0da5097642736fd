"""Registered models: their wheel, the champion's alias, and its succession."""
