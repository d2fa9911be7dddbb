"""`blendgan page`: one local page on which a person stylises photographs."""
