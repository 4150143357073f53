"""A fitted estimator's story as one HTML page, or in the terminal."""

from cellstate.inspector.report import print_story, write_page

__all__ = ["print_story", "write_page"]
