"""`python -m speed.gpu`: what only a GPU can show, in one prepared run of minutes, part by part, each in a process of its own.

`docs/measuring.md` says how to set a bare machine up and what the parts do; `predictions.toml` what is expected and why.
"""
