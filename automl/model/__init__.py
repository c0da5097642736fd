"""Models that people keep: a predictor, its members, and what they need beside the fitted models."""
