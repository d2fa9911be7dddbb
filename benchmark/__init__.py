"""Tables 1-3, metrics, records and the leaderboard."""
