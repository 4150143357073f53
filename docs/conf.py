"""How the documentation is built: `make docs`."""

from __future__ import annotations

import cellstate

project = "Cellstate"
author = "The Cellstate developers"
copyright = author
release = version = cellstate.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
]
exclude_patterns = ["_build"]
# One-letter names such as c are fields of several tuples; a link to either will do.
suppress_warnings = ["ref.python"]

# Pages are Markdown; reference pages embed what the docstrings say.
source_suffix = {".md": "markdown"}
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

# Docstrings are NumPy style. A module's order is the order of reading.
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True
autodoc_member_order = "bysource"
autodoc_typehints = "none"

html_theme = "furo"
html_title = f"Cellstate {release}"
html_static_path = ["_static"]
html_css_files = ["cellstate.css"]
html_theme_options = {
    "light_css_variables": {
        "color-brand-primary": "#0b5c9e",
        "color-brand-content": "#0b5c9e",
        "font-stack": 'Inter, -apple-system, "Segoe UI", Roboto, "Noto Sans", Arial, sans-serif',
    },
    "dark_css_variables": {
        "color-brand-primary": "#6cb8f5",
        "color-brand-content": "#6cb8f5",
    },
}
