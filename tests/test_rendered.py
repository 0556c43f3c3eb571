"The outputs that are committed: small, without photographs, paths of a machine, or errors; and what `make render` keeps."
import base64
import io
import json
import re
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output
from notebooks import NBDEV_3
from PIL import Image

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT/'tools'))
import render

pytestmark = pytest.mark.skipif(NBDEV_3, reason='notebooks are rendered and cleaned with nbdev 2')

NOTEBOOKS = render.notebooks()
LESSONS = [p for p in NOTEBOOKS if p.parent.name == 'tutorials']
READ = [p for p in NOTEBOOKS if p.parent.name in ('tutorials', 'guides', 'case_studies', 'studies')]
# Of Linux, macOS and Windows, and of where Python's packages lie.
MACHINE = re.compile(r'/(?:tmp|home|root|Users|work|private|var|mnt)/|[A-Za-z]:\\\\?Users|site-packages')
name = lambda p: p.relative_to(render.nbs).with_suffix('').as_posix()


def outputs(path):
    return [o for c in json.loads(path.read_text())['cells'] if c['cell_type'] == 'code' for o in c['outputs']]


def texts(output):
    "All that a reader sees of an output, without the pictures' bytes."
    data = {k: ''.join(v) if isinstance(v, list) else v for k, v in output.get('data', {}).items() if not k.startswith('image/')}
    return render.DATA_URI.sub('', '\n'.join([''.join(output.get('text', '')), *map(str, data.values())]))


@pytest.mark.parametrize('path', NOTEBOOKS, ids=name)
def test_outputs_can_be_committed(path):
    found = outputs(path)
    assert path.stat().st_size < render.LIMIT, f'{path.stat().st_size:,} bytes: make render'
    assert not [o for o in found if o['output_type'] == 'error']
    assert not [o for o in found if o.get('name') == 'stderr']
    assert {k for o in found for k in o.get('data', {})} <= set(render.KEPT)
    assert 'image/jpeg' not in json.dumps(found)
    assert not [m[0] for o in found if (m := MACHINE.search(texts(o)))]


@pytest.mark.parametrize('path', READ, ids=name)
def test_pictures_say_what_they_show(path):
    cells = [c for c in nbformat.read(path, 4).cells if c.cell_type == 'code']
    for c in cells:
        for o in c.outputs:
            if 'image/png' not in o.get('data', {}): continue
            assert len(o.metadata.get('image/png', {}).get('alt', '')) > 20, f'no `#| fig-alt: ...` (or not rendered since) in\n{c.source}'
            assert o.metadata == render.fig_alt(c), f'another text than in\n{c.source}'


@pytest.mark.parametrize('path', NOTEBOOKS, ids=name)
def test_nbdev_clean_leaves_outputs_as_they_are(path):
    nb = nbformat.read(path, 4)
    before = render.as_text(nb)
    render.clean_nb(nb, clean_ids=True)
    assert render.as_text(nb) == before


@pytest.mark.parametrize('path', LESSONS, ids=name)
def test_a_lesson_shows_its_results(path):
    if not any(outputs(p) for p in NOTEBOOKS): pytest.skip('no notebook has outputs yet: `make render` makes them')
    cells = [c for c in json.loads(path.read_text())['cells'] if c['cell_type'] == 'code']
    kinds = {k for o in outputs(path) for k in o.get('data', {})}
    assert sum(bool(c['outputs']) for c in cells) >= 5 and 'text/html' in kinds


def encoded(kind, size=(1200, 900), colour='red'):
    out = io.BytesIO()
    Image.new('RGB', size, colour).save(out, kind)
    return base64.b64encode(out.getvalue()).decode()


def shown(*outs, source='f()', widgets=None):
    nb = new_notebook(cells=[new_code_cell(source, outputs=list(outs), execution_count=3)])
    if widgets: nb.metadata['widgets'] = {render.WIDGET_STATE: dict(state=widgets)}
    return render.curate(nb, {'/tmp/': '', '/home/me/repo/': ''}).cells[0]


def test_what_is_kept():
    cell = shown(new_output('stream', name='stderr', text='a warning'),
                 new_output('stream', name='stdout', text='10 %|#\r20 %|##\rdone in /tmp/tmpab12cd_9/cells\n'),
                 new_output('display_data', data={'image/png': encoded('PNG'), 'image/jpeg': encoded('JPEG'),
                                                  'text/plain': '<Figure size 640x480 with 1 Axes>'}),
                 new_output('execute_result', data={'text/plain': "Path('/home/me/repo/nbs')", 'application/json': {}}, execution_count=3),
                 new_output('execute_result', data={'text/plain': '<x.Y at 0x7f00>'}, execution_count=3))
    assert cell.execution_count is None and [o.output_type for o in cell.outputs] == ['stream', 'display_data', 'execute_result']
    text, picture, path = cell.outputs
    assert text.text == 'done in tmp/cells\n' and path.data == {'text/plain': "Path('nbs')"}
    assert list(picture.data) == ['image/png']
    assert Image.open(io.BytesIO(base64.b64decode(picture.data['image/png']))).size == (800, 600)


def test_a_picture_has_the_text_of_its_cell():
    cell = shown(new_output('display_data', data={'image/png': encoded('PNG')}), new_output('stream', name='stdout', text='x'),
                 source='#| fig-alt: a red square: nothing else\nf()')
    assert cell.outputs[0].metadata == {'image/png': {'alt': 'a red square: nothing else'}} and 'metadata' not in cell.outputs[1]


def test_lines_and_letters_keep_their_size_where_photographs_shrink():
    nb = lambda data: new_notebook(cells=[new_code_cell('f()', outputs=[new_output('display_data', data={'image/png': data})])])
    noise = io.BytesIO()
    Image.effect_noise((1200, 900), 90).save(noise, 'PNG')
    width = lambda data: Image.open(io.BytesIO(base64.b64decode(render.curate(nb(data), {}, 360).cells[0].outputs[0].data['image/png']))).width
    assert width(encoded('PNG')) == 800 and width(base64.b64encode(noise.getvalue()).decode()) == 360


def test_pictures_inside_a_table_become_small_png():
    [out] = shown(new_output('execute_result', data={'text/html': f'<img src="data:image/jpeg;base64,{encoded("JPEG")}">'})).outputs
    found = render.DATA_URI.search(out.data['text/html'])
    assert found[0].startswith('data:image/png') and max(Image.open(io.BytesIO(base64.b64decode(found[1]))).size) == 100


def test_a_widget_becomes_a_picture_of_itself_and_a_hidden_cell_says_nothing():
    box = dict(state=dict(_model_name='VBoxModel', children=['IPY_MODEL_a', 'IPY_MODEL_b', 'IPY_MODEL_c', 'IPY_MODEL_d']))
    state = dict(v=box, a=dict(state=dict(_model_name='HTMLModel', value='<p>a cell</p>')),
                 b=dict(state=dict(_model_name='ButtonModel', description='Next page')),
                 c=dict(state=dict(_model_name='DropdownModel', description='Class', _options_labels=['all', 'monocyte'], index=1)),
                 d=dict(state=dict(_model_name='HTMLModel', value='unseen', layout='IPY_MODEL_l')), l=dict(state=dict(display='none')))
    out = new_output('display_data', data={render.WIDGET: dict(model_id='v'), 'text/plain': 'View()'})
    [made] = shown(out, widgets=state).outputs
    assert list(made.data) == ['text/html'] and re.sub('<[^>]+>', ' ',
                                                       made.data['text/html']).split() == 'a cell Next page Class: monocyte'.split()
    # A grid keeps its columns, and its empty places: the corner of a confusion matrix.
    grid = dict(state=dict(_model_name='GridBoxModel', layout='IPY_MODEL_g', children=['IPY_MODEL_e', 'IPY_MODEL_b']))
    state |= dict(v=grid, g=dict(state=dict(grid_template_columns='50% 50%')), e=dict(state=dict(_model_name='HTMLModel', value='')))
    [made] = shown(out, widgets=state).outputs
    assert 'grid-template-columns:50% 50%' in made.data['text/html'] and '<div></div><span' in made.data['text/html']
    assert shown(new_output('stream', name='stdout', text='x'), source='#| hide\nf()').outputs == []


def test_a_notebook_that_cannot_be_made_small_is_refused():
    nb = new_notebook(cells=[new_code_cell('f()', outputs=[new_output('stream', name='stdout', text='x'*render.LIMIT)])])
    with pytest.raises(ValueError, match='show fewer rows'): render.fitting(nb, {})


def test_a_run_is_written_with_its_outputs_and_a_failure_changes_nothing(tmp_path):
    good, bad = tmp_path/'good.ipynb', tmp_path/'bad.ipynb'
    nbformat.write(new_notebook(cells=[new_code_cell('#| eval: false\n1/0'), new_code_cell('6*7')]), good)
    nbformat.write(new_notebook(cells=[new_code_cell('1/0')]), bad)
    before = bad.read_bytes()
    assert render.render(good) == '' and [o['data']['text/plain'] for o in outputs(good)] == [['42']]
    assert 'ZeroDivisionError' in render.render(bad) and bad.read_bytes() == before
