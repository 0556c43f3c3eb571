"What a built site must not have."
import re
from collections import Counter
from pathlib import Path
from urllib.parse import unquote


def outside(folder: Path) -> list[str]:
    "What the pages below a folder would fetch from a network, or look for in vain."
    found = []
    # The theme leaves a template among its files that no page uses.
    for f in (p for p in folder.rglob('*') if p.suffix in {'.html', '.css'} and p.name != 'webpack-macros.html'):
        html = f.read_text(encoding='utf-8')
        used = re.findall(r'<(?:script|img|iframe|source)\b[^>]*?\bsrc="([^"]+)"',
                          html) + re.findall(r'(?:url\(|@import\s+)["\']?([^"\')]+)', html)
        used += [h for t in re.findall(r'<link\b[^>]*>', html) if re.search(r'rel="[^"]*(?:stylesheet|icon|preload)', t)
                 for h in re.findall(r'href="([^"]+)"', t)]
        found += [f'{f.relative_to(folder)}: {u}' for u in used if not u.startswith(('data:', '#'))
                  and not (f.parent/re.sub(r'[?#].*', '', u)).exists()]
    return found


def misleading(folder: Path) -> list[str]:
    "Links to a place on a page that is not there, places of one name, and pictures whose text is the name of a file."
    pages = {f: f.read_text(encoding='utf-8') for f in folder.rglob('*.html') if f.name != 'webpack-macros.html'}
    ids = {f.resolve(): Counter(re.findall(r'<\w[^<>]*?\sid="([^"]+)"', html)) for f, html in pages.items()}
    found = []
    for f, html in pages.items():
        wrong = [f'{i} is there {n} times' for i, n in ids[f.resolve()].items() if n > 1]
        for link in re.findall(r'<a\b[^<>]*?\shref="([^":]*#[^"]+)"', html):
            to, at = link.split('#', 1)
            if unquote(at) not in ids.get((f.parent/to if to else f).resolve(), {}): wrong.append(f'{link} leads nowhere')
        wrong += [f'{alt} is no text for a picture' for alt in re.findall(r'<img\b[^<>]*?\salt="([^"]*_images/[^"]*)"', html)]
        found += [f'{f.relative_to(folder)}: {w}' for w in wrong]
    return found
