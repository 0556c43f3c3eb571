"How an exported name looks on the site: its signature, its docstring, and a row for each argument."
from html import escape
from inspect import Parameter, isclass, signature

from fastcore.docments import DocmentTbl
from nbdev import showdoc


def text(value) -> str:
    "A type, a default or a comment as text that Markdown's tables take."
    if value is type(None): return ''
    return (value.__name__ if isinstance(value, type) else str(value)).replace('|', '\\|').replace('<', '&lt;').replace('\n', ' ')


class Table(DocmentTbl):
    "Docments as a table; types such as `str|None` hold the very sign that ends a cell."
    def __init__(self, obj):
        super().__init__(obj)
        self.dm = {name: {k: v if v is Parameter.empty else text(v) for k, v in props.items()} for name, props in self.dm.items()}


def call(name, sym) -> str:
    "A signature without types, which stand in the table."
    try: given = signature(sym).parameters.values()
    except (TypeError, ValueError): return name
    return f'{name}({", ".join(str(p.replace(annotation=Parameter.empty)) for p in given if p.name != "self")})'


class Entry(showdoc.BasicMarkdownRenderer):
    "An entry of the API."
    def _repr_markdown_(self):
        parts = f'### {self.nm}', f'<pre class="signature" id="api-{self.nm.lower()}">{escape(call(self.nm, self.sym), quote=False)}</pre>', self.docs or '', str(Table(self.sym))
        return '\n\n'.join(p for p in parts if p.strip())


def show_doc(sym, **kwargs):
    if isclass(sym) and '__init__' not in vars(sym): sym = type(sym.__name__, (), dict(__doc__=sym.__doc__, __module__=sym.__module__)) # its arguments are another library's
    return showdoc.show_doc(sym, renderer=Entry, **kwargs)
