"""Scripts that run in the environments of the libraries that they are about."""
