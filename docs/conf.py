"""Sphinx's settings for the site; `docs/build.py` lays out what it reads."""

import re

project = "Input-pipeline study kit"
author = copyright = "the kit's authors"
root_doc = "index"
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["**/.ipynb_checkpoints"]
html_theme = "sphinx_book_theme"
html_title = project
html_theme_options = {"show_toc_level": 2, "use_download_button": False, "use_fullscreen_button": False}
html_show_sphinx = html_show_copyright = html_show_sourcelink = False
html_copy_source = False
html_show_search_summary = False  # a page from disk may not fetch others
html_context = {"default_mode": "auto"}
html_css_files = ["site.css"]
html_static_path = ["_static"]

nb_execution_mode = "off"  # docs/build.py runs the lessons itself, as users do, and keeps what they gave
nb_merge_streams = True
nb_ipywidgets_js: dict[str, dict[str, str]] = {}  # widgets need a kernel; nothing is fetched from a network
nb_mime_priority_overrides = [("html", "application/vnd.jupyter.widget-view+json", None)]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 4
suppress_warnings = ["myst.header", "mystnb.unknown_mime_type"]

default_role = "code"
autodoc_typehints, autodoc_typehints_description_target = "description", "documented"
autodoc_member_order = "bysource"
napoleon_google_docstring, napoleon_numpy_docstring, napoleon_use_ivar = True, False, True


def setup(app):
    """In the kit's docstrings, `**knobs` is no bold text, and a list may follow its sentence at once."""

    def as_meant(app, what, name, obj, options, lines):
        plain = [re.sub(r"\*\*(?=[a-z])", r"\*\*", line) for line in lines]
        starts = [number for number, line in enumerate(plain) if line.startswith("- ") and number and plain[number - 1]]
        for number in reversed(starts):
            if not plain[number - 1].startswith(("- ", "  ")):
                plain.insert(number, "")
        lines[:] = plain

    app.connect("autodoc-process-docstring", as_meant, priority=100)
