"""Differentiable operators: a plain reference and a Triton kernel each, one dispatcher."""
