"""Joining the leaderboard: a template, a contract check, inputs to take away, pictures to score, records to hand in."""
