"""The record read back: searches, trials, models, the leaderboard."""
