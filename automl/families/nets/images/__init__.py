"""Nets for images: backbones, views, features, fine-tuning and heads."""
