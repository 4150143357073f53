"""What HTTP is to the server: calls in, replies out, and nothing let through that should not be."""
