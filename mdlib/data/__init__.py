"""Data: toy problems drawn from a seed, and real images cut into tokens."""
