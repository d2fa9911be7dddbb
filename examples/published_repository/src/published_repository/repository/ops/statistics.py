"""Instance statistics."""


def renormalise(content, style, eps=1e-5):
    """Give each channel of `content` (N, C, H, W) the mean and deviation of `style`'s."""
    mean, deviation = content.mean((2, 3), keepdim=True), content.std((2, 3), keepdim=True) + eps
    return (content - mean) / deviation * style.std((2, 3), keepdim=True) + style.mean((2, 3), keepdim=True)
