"""Colour transfer as a method of the AAHQ leaderboard."""
