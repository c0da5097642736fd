"""Reading the record: searches, trials, models, the leaderboard."""
