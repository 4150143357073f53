"""The parts of the job that names the class of a text."""
