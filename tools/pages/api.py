"How an exported name looks on the site: its signature, its docstring, and a row for each argument; a command with its options."
import sys
from html import escape
from inspect import Parameter, isclass, signature, unwrap

from fastcore.docments import DocmentTbl, docments
from nbdev import showdoc
from typer import Context, Typer
from typer.main import get_command


def text(value) -> str:
    "A type, a default or a comment as text that Markdown's tables take."
    if value is type(None): return ''
    return (value.__name__ if isinstance(value, type) else str(value)).replace('|', '\\|').replace('<', '&lt;').replace('\n', ' ')


class Table(DocmentTbl):
    "Docments as a table; types such as `str|None` hold the very sign that ends a cell."
    def __init__(self, obj):
        super().__init__(obj)
        given = docments(obj, full=True, args_kwargs=True) # of `**kwargs` too
        said = {name: props | dict(docment=props['docment'] or Parameter.empty) for name, props in given.items() if name != 'self'}
        self.dm = {name: {k: v if v is Parameter.empty else text(v) for k, v in props.items()} for name, props in said.items()}


def call(name, sym) -> str:
    "A signature without types, which stand in the table."
    try: given = signature(sym).parameters.values()
    except (TypeError, ValueError): return name
    return f'{name}({", ".join(str(p.replace(annotation=Parameter.empty)) for p in given if p.name != "self")})'


def command_of(sym):
    "The context of the command that a function of a Typer `app` is; None for anything else."
    app = vars(sys.modules[sym.__module__]).get('app') if hasattr(sym, '__module__') else None
    if not isinstance(app, Typer): return None
    top = Context(group := get_command(app), info_name='blood-cells')
    found = [top, *(Context(c, info_name=name, parent=top) for name, c in group.commands.items())]
    return next((c for c in found if unwrap(c.command.callback) is sym), None)


def options(context) -> str:
    "What `--help` says of the arguments and options of a command."
    rows = [r for p in context.command.get_params(context) if (r := p.get_help_record(context)) and r[0] != '--help']
    return '\n'.join(['| argument or option | what it is |', '|---|---|', *(f'| <code>{text(name)}</code> | {text(said)} |' for name, said in rows)])


class Entry(showdoc.BasicMarkdownRenderer):
    "An entry of the API."
    def _repr_markdown_(self):
        if (context := command_of(self.sym)) is None:
            name, line, said, table = self.nm, call(self.nm, self.sym), self.docs or '', str(Table(self.sym))
        else:
            name, said, table = context.command_path, context.command.help, options(context)
            line = ' '.join([name, *context.command.collect_usage_pieces(context)])
        parts = f'### {name}', f'<pre class="signature" id="api-{self.nm}">{escape(line, quote=False)}</pre>', said, table
        return '\n\n'.join(p for p in parts if p.strip())


def show_doc(sym, **kwargs):
    if isclass(sym) and '__init__' not in vars(sym): sym = type(sym.__name__, (), dict(__doc__=sym.__doc__, __module__=sym.__module__)) # its arguments are another library's
    return showdoc.show_doc(sym, renderer=Entry, **kwargs)
