"""A repository with `models` and `ops` of its own, as a method of the leaderboard."""
