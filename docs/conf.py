"""How the documentation is built: `make docs`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.util.docutils import SphinxDirective

import cellstate

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # for benchmarks, which are not installed

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


class BenchmarkChart(SphinxDirective):
    """Draws a result file: ``benchmark-chart NAME``, with the option ``metric``."""

    required_arguments = 1
    option_spec: ClassVar[dict[str, Any]] = {"metric": directives.unchanged_required}

    def run(self) -> list[nodes.Node]:
        from benchmarks import plots

        name = self.arguments[0]
        self.env.note_dependency(str(plots.RESULTS / f"{name}.csv"))
        drawn = plots.chart(name, self.options.get("metric"))
        return [nodes.raw("", str(drawn), format="html")]


def setup(app: Any) -> None:
    app.add_directive("benchmark-chart", BenchmarkChart)
