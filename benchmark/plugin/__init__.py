"""Methods of other people in processes of their own: what they get, what they may touch, and what happens when they hang."""
