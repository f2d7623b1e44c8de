"""The book's experiments: on texts, on images, and on sentences with the one-layer model."""
