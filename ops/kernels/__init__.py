"""Triton kernels behind custom operators. Imported only when `ops.dispatch` chooses them; compiled at first launch."""
