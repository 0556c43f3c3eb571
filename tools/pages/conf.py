"Sphinx' settings for `tools/docs.py`."
from configparser import ConfigParser
from pathlib import Path

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml

parser = ConfigParser(delimiters=['='])
parser.read(Path(__file__).parents[2]/'settings.ini', encoding='utf-8')
cfg = parser['DEFAULT']

project, author, release = cfg['lib_name'], cfg['author'], cfg['version']
language, smartquotes = 'en', False
extensions = ['myst_nb']
myst_enable_extensions = ['dollarmath', 'attrs_block', 'attrs_inline']
nb_execution_mode = 'off'
nb_ipywidgets_js = {}  # MyST-NB's default loads them from the net
nb_code_prompt_show = nb_code_prompt_hide = 'Source'
nb_render_markdown_format = 'myst'  # 'gfm' needs linkify-it-py on Python 3.10
# Entries of the API stand at one level, wherever they come; links of the project's pages may lead out of the site.
suppress_warnings = ['myst.header', 'myst.xref_missing', 'mystnb.unknown_mime_type']

html_theme = 'pydata_sphinx_theme'
html_static_path, html_css_files = ['static'], ['look.css']
html_title, html_logo, html_favicon = cfg['title'], 'static/logo.svg', 'static/logo.svg'
html_copy_source = html_show_sourcelink = html_show_sphinx = False
html_math_renderer = 'mathml'
html_context = {'default_mode': 'auto'}  # light or dark as the reader's system is
html_sidebars = {'**': ['sidebar-nav-bs'], 'index': [], 'search': [], 'genindex': []}
templates_path = ['templates']
html_use_index = False
html_theme_options = {
    'logo': {'text': cfg['title'], 'alt_text': 'Home'}, 'navbar_align': 'left', 'header_links_before_dropdown': 6,
    'navbar_end': ['theme-switcher', 'navbar-icon-links'], 'search_bar_text': 'Search', 'show_toc_level': 2,
    'icon_links': [{'name': 'Source', 'url': cfg['git_url'], 'icon': 'fa-brands fa-github'}],
    'footer_start': ['notice'], 'footer_end': [], 'secondary_sidebar_items': ['page-toc'], 'article_footer_items': [],
    'pygments_light_style': 'blinds-light', 'pygments_dark_style': 'blinds-dark'}


def formula(self, node):
    "Every browser shows MathML by itself, so no script is needed."
    self.body.append(tex2mathml(node.astext(), as_block=isinstance(node, nodes.math_block)))
    raise nodes.SkipNode


def setup(app): app.add_html_math_renderer('mathml', (formula, None), (formula, None))
