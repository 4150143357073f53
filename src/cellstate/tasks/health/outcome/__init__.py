"""Parts of the job that foretells the outcome of a stay."""
