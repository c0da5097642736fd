"""Registered models: their wheel, the champion's alias, who follows whom."""
