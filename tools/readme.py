"README.md from nbs/index.ipynb, by nbconvert: `python tools/readme.py [--check]`."
import sys
from pathlib import Path

import nbformat
from nbconvert import MarkdownExporter

root = Path(__file__).parents[1]


def readme() -> str:
    "The index notebook as Markdown, without its hidden cells and without nbdev's directives."
    nb = nbformat.read(root/'nbs'/'index.ipynb', 4)
    nb.metadata['language_info'] = {'name': 'python'}
    nb.cells = [c for c in nb.cells if not c.source.startswith('#| hide')]
    for c in nb.cells: c.source = '\n'.join(line for line in c.source.split('\n') if not line.startswith('#|'))
    body, _ = MarkdownExporter().from_notebook_node(nb)
    for folder in ('images', 'tutorials', 'case_studies', 'guides', 'studies'): body = body.replace(f']({folder}/', f'](nbs/{folder}/')
    return '<!-- made from nbs/index.ipynb by `make export`: edit that -->\n\n' + body.strip() + '\n'


if __name__ == '__main__':
    path, text = root/'README.md', readme()
    if '--check' in sys.argv:
        if path.read_text() != text: sys.exit('README.md differs from nbs/index.ipynb: run `make export`')
    else: path.write_text(text)
