"""One cell after another: generate, extract features, measure, write one record."""
