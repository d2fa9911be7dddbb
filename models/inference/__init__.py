"""What a person does with trained weights: stylise, invert, align and paste back, animate, draw sheets."""
