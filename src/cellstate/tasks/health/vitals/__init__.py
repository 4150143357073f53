"""Parts of the job that gives a risk at every step of a stay."""
