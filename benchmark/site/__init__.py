"""The leaderboard as static pages: a pure function of the records in the repository."""
