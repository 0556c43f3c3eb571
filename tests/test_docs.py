"The documentation site: every notebook is in it, nothing comes from a network; lessons open in Colab; the citation file holds."
import json
import re
import sys
from configparser import ConfigParser
from pathlib import Path
from subprocess import run

import pandas as pd
import pytest
import yaml
from notebooks import NBDEV_3

import blood_cell_cancer
from blood_cell_cancer.core.intervals import with_ci

root = Path(__file__).parents[1]
settings = ConfigParser(delimiters=['='])
settings.read(root/'settings.ini', encoding='utf-8')
cfg = settings['DEFAULT']
lessons = sorted((root/'nbs'/'tutorials').glob('[0-9]*.ipynb'))
beside = sorted(p for room in ('case_studies', 'guides') for p in (root/'nbs'/room).glob('[0-9]*.ipynb'))

# Built in a process of its own, for Sphinx and nbdev change what others import.
BUILD = """
import sys; from pathlib import Path
sys.path.insert(0, 'tools')
import docs
tmp = Path(sys.argv[1])
print('\\n'.join(docs.outside(tmp/'planted') + docs.misleading(tmp/'planted')))
sys.exit(docs.build(tmp/'out', tmp/'work'))
"""

# What the build must refuse; links that a reader follows are none of it.
FETCHED = 'https://cdn.example/a.js', '//cdn.example/b.css', 'http://cdn.example/c.png', 'https://cdn.example/d.woff2', 'missing.png'
PLANTED = """<link rel="stylesheet" href="//cdn.example/b.css"><link rel="canonical" href="https://example.org/"><a href="https://example.org/">a link</a>
<script src="https://cdn.example/a.js"></script><img alt="" src="http://cdn.example/c.png"><img src="missing.png"><img src="page.html">
<style>@font-face { src: url('https://cdn.example/d.woff2') }</style>"""

# As are places that are not there or there twice, and pictures whose text is the name of a file.
MISLEADING = '#b leads nowhere', 'page.html#api-none leads nowhere', '../_images/0.png is no text for a picture', 'a is there 2 times'
LINKS = """<h2 id="a">A</h2><p id="a">again</p><a href="#a">a link</a><a href="#b">a link</a><a class="x" href="page.html#api-none"><code>none</code></a>
<code>&lt;a href="#c"&gt;</code><img alt="../_images/0.png" src="data:,"><img alt="Two cells" src="data:,">"""


@pytest.fixture(scope='module')
def site(tmp_path_factory):
    "The site, with the outputs that are committed."
    if NBDEV_3: pytest.skip('the site is built with nbdev 2')
    tmp = tmp_path_factory.mktemp('docs')
    (tmp/'planted').mkdir()
    for name, html in dict(page=PLANTED, links=LINKS).items(): (tmp/'planted'/f'{name}.html').write_text(html)
    done = run([sys.executable, '-c', BUILD, tmp], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert 'WARNING' not in done.stderr, done.stderr
    for name, found in dict(page=FETCHED, links=MISLEADING).items():
        assert sorted(line.split(': ', 1)[1] for line in done.stdout.split('\n') if line.startswith(f'{name}.html')) == sorted(found)
    return tmp/'out'


def links(page: Path) -> set:
    return {(page.parent/h).resolve() for h in re.findall(r'href="([^"#:]+)[^"]*"', page.read_text())}


def test_every_notebook_is_in_the_navigation(site):
    notebooks = [p.relative_to(root/'nbs') for p in (root/'nbs').rglob('[!._]*.ipynb') if '.ipynb_checkpoints' not in p.parts]
    assert len(notebooks) > 40
    assert len([nb for nb in notebooks if len(nb.parts) > 2]) > 10 # rooms have folders inside
    for nb in notebooks:
        page = site/nb.with_name(re.sub(r'^\d+[a-z]*_', '', nb.name)).with_suffix('.html')
        assert page.is_file(), nb
        first = site/nb.parts[0]/'index.html' if nb.parent.name else site/'index.html'
        assert nb.name == 'index.ipynb' or page.resolve() in links(first), f'{nb} is not on the first page of its room'
    # On the home page the rooms come in the order in which a table of images goes through them.
    order = re.findall(r'href="(\w+)/index\.html"><b>', (site/'index.html').read_text())
    assert order == ['tutorials', 'core', 'data', 'models', 'evaluate', 'use']


def test_nothing_comes_from_a_network(site):
    # `site` has seen that the build finds what would; here, less cleverly, that no address of another host is anywhere but in a link.
    pages = list(site.rglob('*.html'))
    assert len(pages) > 50
    for page in pages:
        tags = re.findall(r'<(\w+)[^>]*\s(?:src|srcset|data|action|poster)="(?:https?:)?//', page.read_text())
        assert tags == [], page


def test_names_lead_to_their_entries_within_the_site(site):
    text = (site/'tutorials'/'first_classifier.html').read_text()
    assert re.search(r'<a href="\.\./data/datasets\.html#api-load_images"><code>load_images</code></a>', text)
    assert 'not for clinical use' in text and cfg['doc_host'] not in text
    assert '#api-predict"><code>predict</code>' in text and 'use/cli.html#api-predict' not in text # the function, and not the command
    # A class and a function differ in capitals alone; what a page doesn't explain is no link.
    recipes = (site/'models'/'backbones.html').read_text()
    assert 'id="api-recipe">recipe(which, **changes)</pre>' in recipes and 'id="api-Recipe">Recipe(' in recipes
    assert not any('#api-_' in page.read_text() for page in site.rglob('*.html'))


def test_the_command_line_shows_its_options(site):
    text = (site/'use'/'cli.html').read_text()
    assert '<pre class="signature" id="api-train">blood-cells train [OPTIONS]</pre>' in text and re.search(r'>blood-cells predict \[OPTIONS\] .*IMAGES.*</pre>', text)
    entry = text[text.index('id="api-train"'):]
    row = re.search(r'<td><p><code>--weights .*?</tr>', entry, re.S)[0]
    assert 'Pretrained weights: auto, package, hub' in row
    assert re.search(r'<code>--uncertainty / --no-uncertainty</code>.*?\[default: uncertainty\]', entry, re.S)
    assert '<a href="#api-audit"><code>audit</code></a>' in text and '#api-evaluate"><code>evaluate</code>' in text and 'report.html#api-' not in text
    assert not any('Call self as a function' in page.read_text() or '__repr__()</pre>' in page.read_text() for page in site.rglob('*.html'))


def test_the_main_import_lists_its_names(site):
    text = (site/'all.html').read_text()
    rows = {name: row for row in re.findall(r'<tr.*?</tr>', text, re.S) for name in re.findall(r'<td><p>(?:<a [^>]*>)?<code[^>]*>(?:<span class="pre">)?(\w+)<', row)}
    assert rows.keys() == set(blood_cell_cancer.__all__)
    assert 'Check a data set for unreadable files' in rows['audit'] and 'href="data/audit/report.html#api-audit"' in rows['audit'] and 'demo' in rows['RECIPES']
    assert not any(re.search(r'<p>def \w+\(', page.read_text()) for page in site.rglob('*.html')) # entries have no second signature


def test_arguments_have_their_comments(site):
    text = (site/'models'/'model.html').read_text()
    entry = text[text.index('id="api-Model.predict"'):]
    for said in ('prediction table, one row per image in its order', 'as for <a href="#api-Model.logits">'): assert said in entry[:entry.index('<pre class="signature"')], said
    # `**kwargs` too
    entry = (site/'models'/'training.html').read_text().split('id="api-train"')[1]
    assert 'changes of the recipe (backbone, epochs, ...)' in entry[:entry.index('</table>')]


def test_pictures_have_a_text(site):
    text = {p: (site/p).read_text() for p in ('models/keras/image_model.html', 'core/plots.html', 'data/phantoms/shapes.html')}
    assert 'alt="Six random views of one drawn cell."' in text['models/keras/image_model.html'] # of the cell
    assert 'alt="Twenty drawn cells, four of each of the five classes' in text['core/plots.html']
    assert 'alt="Six drawn nuclei side by side: ' in text['data/phantoms/shapes.html']


def test_pictures_in_notebooks_have_a_text_of_their_own():
    bare = [(path.relative_to(root).as_posix(), c['id']) for path in (root/'nbs').rglob('[0-9]*.ipynb') for c in json.loads(path.read_text())['cells']
            if any('image/png' in o.get('data', ()) for o in c.get('outputs', ())) and not any(line.startswith('#| fig-alt: ') for line in c['source'])]
    assert bare == []


def test_search_knows_the_words_of_the_lessons(site):
    index = (site/'searchindex.js').read_text()
    assert 'tutorials/first_classifier' in index and '"phantom"' in index.replace('phantom:', '"phantom":')


@pytest.mark.parametrize('lesson', lessons + beside, ids=lambda p: p.stem)
def test_a_lesson_opens_in_colab(lesson):
    cells = json.loads(lesson.read_text())['cells']
    text = [''.join(c['source']) for c in cells]
    assert text[0].startswith('# ')
    where = f'https://colab.research.google.com/github/{cfg["user"]}/{cfg["repo"]}/blob/{cfg["branch"]}/{lesson.relative_to(root).as_posix()}'
    assert f'[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]({where})' in text[0]
    assert cells[1]['cell_type'] == 'code' and "if 'google.colab' in sys.modules:" in text[1] and f'git clone -q --depth 1 {cfg["git_url"]}\n' in text[1]
    assert 'The next cell is for Google Colab' in text[0]
    # Colab goes to the notebook's folder, so that its tables are found, and installs the package with what this notebook needs and no more.
    assert f'%cd {cfg["repo"]}/nbs/{lesson.parent.name}' in text[1]
    extras, later = re.search(r'%pip install -q "\./\w+(?:\[([\w,]+)\])?"', text[1])[1], '\n'.join(text[2:])
    assert set((extras or '').split(',')) - {''} == {e for e,
                                                     used in dict(export='export_onnx(', keras="engine='keras'").items() if used in later}


def test_there_are_seven_lessons(): assert [p.name[:2] for p in lessons] == [f'0{i}' for i in range(1, 8)]


def test_lessons_lead_to_the_next_and_have_exercises_with_answers():
    for lesson, following in zip(lessons, [*lessons[1:], None]):
        text = '\n'.join(''.join(c['source']) for c in json.loads(lesson.read_text())['cells'])
        assert following is None or f']({following.name})' in text.split('**Next:**')[1], lesson.name
        assert '## Exercise' in text and text.count('<details><summary>Answer</summary>') == text.count('</details>') > 0, lesson.name


@pytest.mark.parametrize('path', [root/'nbs'/'index.ipynb', *lessons, *beside, *(root/'nbs'/'studies').glob('*.ipynb')], ids=lambda p: p.stem)
def test_links_between_notebooks_lead_somewhere(path):
    text = '\n'.join(''.join(c['source']) for c in json.loads(path.read_text())['cells'])
    for target in re.findall(r'\]\((?!https?:)([^)#]+)\)', text): assert (path.parent/target).exists(), target


def test_a_page_shows_entries_and_the_outputs_that_are_committed(site):
    text = (site/'data'/'splits.html').read_text()
    entry, table, source = (text.index(t) for t in ('id="api-quotas">quotas(counts, sizes)</pre>', '<p>images per class, int (classes,)</p>',
                                                    '<span class="nf">quotas</span>'))
    assert entry < table < source and '<strong>int (classes, splits)</strong>' in text
    notebook = json.loads((root/'nbs'/'tutorials'/'02_is_it_really_99.ipynb').read_text())
    pictures = sum('image/png' in o.get('data', ()) for c in notebook['cells'] for o in c.get('outputs', ()))
    page = (site/'tutorials'/'is_it_really_99.html').read_text()
    assert page.count('src="../_images/') == pictures > 3 and 'cell_output' in page and 'google.colab' not in page
    assert page.count('alt="Ten drawn cells') == 2 and 'alt="../_images' not in page


def test_the_laboratories_in_readme_are_those_of_the_table():
    text, table = (root/'README.md').read_text(), pd.read_csv(root/'nbs'/'tutorials'/'results'/'laboratories.csv').query("bundle == 'differential'")
    for r in table.to_dict('records'):
        figures = [(r['recall'], r['low'], r['high'])] + [(r[k], r[f'{k}_low'], r[f'{k}_high']) for k in ('histogram', 'answered', 'right', 'normal_called_myeloblast')]
        assert ' | '.join(with_ci(*f) for f in figures) in text, r['laboratory']


def test_citation():
    cited = yaml.safe_load((root/'CITATION.cff').read_text())
    assert (cited['cff-version'], cited['version'], cited['repository-code'], cited['license']) == ('1.2.0', cfg['version'],
            cfg['git_url'], 'MIT')
    assert all({'type', 'title', 'authors'} <= r.keys() for r in cited['references'])
    # Each public set that can be fetched is cited.
    from blood_cell_cancer.data.datasets import DATASETS
    assert {d.handle for d in DATASETS.values() if d.handle} <= {r.get('url', '').removeprefix('https://www.kaggle.com/datasets/')
                                                                 for r in cited['references']}
    assert f'## [{cfg["version"]}]' in (root/'CHANGELOG.md').read_text()
