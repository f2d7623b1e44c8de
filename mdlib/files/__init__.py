"""Files: written whole, fetched by hash, found again, and what made them."""
