"""What is measured: which cells the paper prints, which pictures a cell draws, under which identity."""
