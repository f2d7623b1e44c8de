"""Data: toy problems drawn from a seed, real images cut into tokens, and labelled texts."""
