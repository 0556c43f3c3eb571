"""The page for the browser gives the answers of Python: in Debian's chromium, with the published runtime, and nothing from elsewhere.

The runtime is fetched once with npm, checked against the checksums of `use.page`, and kept in this user's cache.
"""
import csv
import json
import re
import shutil
import subprocess
import tarfile
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from test_use_browser import CHROMIUM, CONTRAST, browser, opened, shot  # noqa: F401

pytestmark = [pytest.mark.skipif(CHROMIUM is None, reason='no chromium is installed (Debian: apt install chromium)'),
              pytest.mark.skipif(any(find_spec(m) is None for m in ('playwright', 'onnx')), reason='playwright or onnx is missing: install the extra dev')]
# Sums of single precision in another order: six digits are in the table, and they differ in the last.
CLOSE = 1e-4
# The 8-bit network rounds after each layer, and a step of its last layer is 0.03 logits: one more or less in a few places.
EIGHT_BITS = .05


@pytest.fixture(scope='session')
def runtime():
    "The folder of the runtime."
    from platformdirs import user_cache_dir
    from blood_cell_cancer.use.page import INTEGRITY, RUNTIME, runtime_files
    kept = Path(user_cache_dir('blood_cell_cancer'))/f'onnxruntime-web-{RUNTIME}'
    try: return runtime_files(kept)[0].parent
    except ValueError: pass
    if not shutil.which('npm'): pytest.skip('npm, which fetches onnxruntime-web, is not installed')
    kept.mkdir(parents=True, exist_ok=True)
    try:
        subprocess.run(['npm', 'pack', f'onnxruntime-web@{RUNTIME}', '--silent'], cwd=kept, check=True, capture_output=True, timeout=120)
        with tarfile.open(pack := next(kept.glob('*.tgz'))) as files:
            for name in INTEGRITY: (kept/name).write_bytes(files.extractfile(f'package/dist/{name}').read())
    except (subprocess.SubprocessError, OSError) as e: pytest.skip(f'onnxruntime-web {RUNTIME} could not be fetched: {e}')
    pack.unlink()
    return runtime_files(kept)[0].parent


def unrounded(network, path):
    "A copy of an 8-bit network that computes in single precision: what was rounded between the layers is only clipped."
    import onnx
    from onnx import helper, numpy_helper
    m = onnx.load(network)
    known, nodes, source = {t.name: numpy_helper.to_array(t) for t in m.graph.initializer}, [], {}
    for n in m.graph.node:
        n.input[:] = [source.get(i, i) for i in n.input]
        if n.op_type == 'QuantizeLinear' and n.input[0] not in known:
            scale, zero = (known[i].astype(np.float32) for i in n.input[1:])
            for name, level in (('least', 0), ('most', 255)):
                m.graph.initializer.append(numpy_helper.from_array(np.float32((level - zero)*scale), f'{n.output[0]}_{name}'))
            source[n.output[0]] = f'{n.output[0]}_clipped'
            nodes.append(helper.make_node('Clip', [n.input[0], f'{n.output[0]}_least', f'{n.output[0]}_most'], [source[n.output[0]]]))
        elif n.op_type == 'DequantizeLinear' and n.input[0] in source.values():
            source[n.output[0]] = n.input[0]
            if n.output[0] in ('logits', 'features'): nodes.append(helper.make_node('Identity', [n.input[0]], [n.output[0]]))
        else: nodes.append(n)
    del m.graph.node[:]
    m.graph.node.extend(nodes)
    onnx.save(m, path)


def changed(bundle, folder, **uncertainty):
    "A copy of a shipped bundle with an unrounded network, and other uncertainty if it is given."
    from blood_cell_cancer.core.io import file_sha256, write_tensors
    from blood_cell_cancer.models.shipped import bundle_folder
    shutil.copytree(bundle_folder(bundle), folder)
    unrounded(folder/'model.int8.onnx', folder/'model.onnx')
    facts = json.loads((folder/'bundle.json').read_text())
    facts['exports']['model.onnx'] = file_sha256(folder/'model.onnx')
    if uncertainty:
        facts['uncertainty'] |= uncertainty
        facts['nucleus'] = dict(widths=[40., 50., 60., 70.], spread=.4, scale=.8)
        draw = np.random.default_rng(5).standard_normal
        arrays = {k: draw(shape).astype(np.float32) for k, shape in dict(centre=1280, whiten=(1280, 6), means=(4, 6)).items()}
        facts['uncertainty_arrays']['sha256'] = file_sha256(write_tensors(arrays, folder/'uncertainty.safetensors'))
    (folder/'bundle.json').write_text(json.dumps(facts))
    return folder


@pytest.fixture(scope='module')
def served(tmp_path_factory, runtime):
    "Bundles, and their pages on a server of this computer; `shipped` refers to the public address of the runtime."
    from blood_cell_cancer.use.page import write_page
    home = tmp_path_factory.mktemp('page')
    write_page('differential', home/'shipped')
    write_page(changed('differential', home/'full.bundle'), home/'full', runtime=runtime)
    other = dict(method='aps', thresholds=[.7, .8, .6, .9], kind='mahalanobis', limit=40.)
    write_page(changed('ball4', home/'other.bundle', **other), home/'other', runtime=runtime)

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *args): pass
    server = ThreadingHTTPServer(('127.0.0.1', 0), partial(Quiet, directory=home))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield home, f'http://127.0.0.1:{server.server_port}'
    server.shutdown()
    server.server_close()


@pytest.fixture(scope='module')
def cells(tmp_path_factory):
    "Forty phantoms of several sizes and shapes, PNG and JPEG, single cells and fields; a large one; and two files that are no images."
    from PIL import Image
    from blood_cell_cancer.data.phantoms.draw import _draw, phantom_classes
    folder = tmp_path_factory.mktemp('cells')
    for i in range(40):
        kind, size = 'fields' if i % 10 == 9 else 'cells', (64, 96, 128, 160, 224)[i % 5]
        classes = phantom_classes(kind)
        img = Image.fromarray(_draw(kind, classes[i % len(classes)], (7, i, 2), size)[0][:size - i % 3*size//9])
        if i % 2: img.save(folder/f'{i:02}.png')
        else: img.save(folder/f'{i:02}.jpg', quality=62 + i, subsampling=i//2 % 3)
    # Eight times the network's side or more: reduced first. (Of a large JPEG Python decodes half the size, which a browser can't.)
    img.resize((1301, 1287)).save(folder/'large.png')
    (folder/'cut.jpg').write_bytes((folder/'00.jpg').read_bytes()[:900])
    (folder/'=notes.png').write_text('basophil, "perhaps"?\n')
    return folder


def state(page, text): page.locator('#state', has_text=text).wait_for() # not in the whole page, which is large


def ready(browser, served, name):
    page = opened(browser)
    page.goto(f'{served[1]}/{name}/')
    state(page, 'Ready.')
    return page


def classified(page, files, tmp_path):
    "The rows of the saved table of these files, by name."
    page.locator('#files').set_input_files(files)
    state(page, re.compile(rf'^{len(files)} images?; the model answers'))
    with page.expect_download() as d: page.get_by_role('button', name='Save as CSV').click()
    assert d.value.suggested_filename == 'predictions.csv'
    d.value.save_as(tmp_path/'web.csv')
    with open(tmp_path/'web.csv', newline='', encoding='utf-8') as f: return {row['name']: row for row in csv.DictReader(f)}


def in_python(model, files, tmp_path):
    "The rows that `blood-cells predict` would write."
    from blood_cell_cancer.use.stream import header, table_rows
    names = [f.name for f in files]
    rows = table_rows(model, files[0].parent, names, list(model.all_outputs(files, threads=1)))
    return {row['name']: row for row in (dict(zip(header(model), map(str, r))) for r in rows)}


def near(model, row, by):
    "Is a row so near to a threshold that this difference could change it?"
    u = model.uncertainty
    p = np.array([float(row[f'p_{c}']) for c in model.classes])
    return abs(float(row['ood_score']) - u.limit) < by or np.abs(1 - p - np.array(u.thresholds)).min() < by


def test_forty_phantoms_have_the_same_answers(browser, served, cells, tmp_path):
    from blood_cell_cancer.use.stream import in_words, open_onnx
    model, page, files = open_onnx(served[0]/'full.bundle'), ready(browser, served, 'full'), sorted(cells.iterdir())
    web, py = classified(page, files, tmp_path), in_python(model, files, tmp_path)
    assert list(web) == list(py) and [list(r) for r in web.values()] == [list(r) for r in py.values()]
    for name, there in web.items():
        here = py[name]
        if here['error']:
            assert there['error'].startswith(f'{name}: not an image') and {k: v for k, v in there.items() if k not in ('error', 'path')} == \
                {k: v for k, v in here.items() if k not in ('error', 'path')}, name
            continue
        gap = max(abs(float(there[k]) - float(here[k])) for k in here if k.startswith('p_') or k == 'ood_score')
        assert gap < CLOSE and there['predicted'] == here['predicted'] and not there['error'], (name, gap)
        if not near(model, here, CLOSE): assert [there[k] for k in ('prediction_set', 'abstained', 'reason')] == \
            [here[k] for k in ('prediction_set', 'abstained', 'reason')], name
    assert {r['error'] == '' for r in web.values()} == {True, False} and {r['abstained'] for r in web.values() if not r['error']} == {'True', 'False'}
    assert any('seems to hold about' in r['reason'] for r in web.values())
    said = page.locator('#rows tr td p').all_text_contents()
    assert said == [r['error'].removeprefix(f'{n}: ') if r['error'] else in_words(r).removeprefix(f'{n}: ') for n, r in web.items()]
    assert page.elsewhere == [] and page.wrong == []
    # Not even the page's own code could send an image away: the browser refuses it before a request is made.
    assert page.evaluate("fetch('https://example.org', {method: 'POST', body: 'x', mode: 'no-cors'}).then(() => 'sent', () => 'refused')") == 'refused'
    assert page.elsewhere == []
    for scheme, width in (('light', 1280), ('dark', 1280), ('dark', 390), ('light', 390)):
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size(dict(width=width, height=900))
        page.wait_for_timeout(100)
        assert page.evaluate(CONTRAST.replace('.bcc *', 'body *')) == [], (scheme, width)
        assert page.evaluate('document.documentElement.scrollWidth') <= width
        shot(page, f'page_{scheme}_{width}')
    page.context.close()


def test_the_shipped_network_with_the_public_runtime(browser, served, cells, runtime, tmp_path):
    "What is loaded from elsewhere is the runtime alone, at the address that the page states; another file there is not run."
    from blood_cell_cancer.use.page import ADDRESS, INTEGRITY
    from blood_cell_cancer.use.stream import open_onnx
    page, asked = opened(browser), []
    def public(route):
        asked.append(route.request.url)
        body, kind = (runtime/asked[-1].removeprefix(ADDRESS)).read_bytes(), 'text/javascript' if asked[-1].endswith('mjs') else 'application/wasm'
        route.fulfill(body=body + b' '*tampered, content_type=kind, headers={'access-control-allow-origin': '*'})
    page.route(re.compile('^' + re.escape(ADDRESS)), public)
    tampered = True
    page.goto(f'{served[1]}/shipped/')
    state(page, 'The model could not be loaded')
    tampered = False
    page.reload()
    state(page, 'Ready.')
    files = sorted(f for f in cells.iterdir() if f.stem.isdecimal())[:8]
    web, model = classified(page, files, tmp_path), open_onnx('differential')
    assert set(page.elsewhere) == set(asked) == {ADDRESS + name for name in INTEGRITY}
    page.context.close()
    for name, here in in_python(model, files, tmp_path).items():
        p, q = (np.array([float(r[f'p_{c}']) for c in model.classes]) for r in (here, web[name]))
        assert np.abs(p - q).max() < EIGHT_BITS, name
        if np.sort(p)[-1] - np.sort(p)[-2] > 2*EIGHT_BITS: assert here['predicted'] == web[name]['predicted']


def test_nothing_is_saved_before_it_is_whole_or_shown_after_it_is_removed(browser, served, cells):
    from playwright.sync_api import expect
    page = opened(browser)
    page.add_init_script("const decoded = createImageBitmap; window.createImageBitmap = async (...given) => { await window.held; return decoded(...given) }")
    page.goto(f'{served[1]}/full/')
    state(page, 'Ready.')
    page.evaluate('window.held = new Promise(go => { window.go = go }); null') # null: or Playwright would wait for the promise
    page.locator('#files').set_input_files([cells/'00.jpg', cells/'01.png'])
    state(page, 'Classifying: 0 of 2.')
    save = page.get_by_role('button', name='Save as CSV')
    expect(save).to_be_disabled()
    shot(page, 'page_busy')
    page.get_by_role('button', name='Remove all').click() # while the first is being decoded
    page.evaluate('go()')
    page.locator('#files').set_input_files(cells/'02.jpg')
    state(page, re.compile('^1 image; the model answers'))
    assert page.locator('#rows th').all_text_contents() == ['02.jpg'] and page.wrong == []
    expect(save).to_be_enabled()
    page.context.close()


def test_fields_other_uncertainty_and_the_size_of_nuclei(browser, served, cells, tmp_path):
    "A masked scale bar, adaptive sets, Mahalanobis' distance and a scale of nuclei."
    from blood_cell_cancer.use.stream import open_onnx
    model, page = open_onnx(served[0]/'other.bundle'), ready(browser, served, 'other')
    files = [cells/f'{i:02}.{"png" if i % 2 else "jpg"}' for i in (9, 12, 19, 23, 34)]
    assert model.nucleus and model.uncertainty.kind == 'mahalanobis'
    web = classified(page, files, tmp_path)
    for name, here in in_python(model, files, tmp_path).items():
        there = web[name]
        assert max(abs(float(there[k]) - float(here[k]))/max(1, float(here[k])) for k in here if k.startswith('p_') or k == 'ood_score') < CLOSE
        assert [there[k] for k in ('predicted', 'prediction_set', 'reason')] == [here[k] for k in ('predicted', 'prediction_set', 'reason')]
    page.get_by_role('button', name='Remove all').click()
    assert page.evaluate('document.activeElement.id') == 'files' and page.locator('#answers-part').is_hidden()
    with page.expect_file_chooser(): page.keyboard.press('Enter')
    # A folder: names below it, images alone, nothing hidden.
    folder = tmp_path/'mine'
    for hidden in ('.kept', '@eaDir'): (folder/'sub'/hidden).mkdir(parents=True)
    for where in ('b.png', 'sub/a.png', '.c.png', 'sub/.kept/d.png', 'sub/@eaDir/a.png'): shutil.copy(cells/'01.png', folder/where)
    (folder/'notes.txt').write_text('no image')
    page.locator('#folder').set_input_files(folder)
    state(page, re.compile('^2 images; the model answers'))
    assert page.locator('#rows th span').all_text_contents() == ['b.png', 'sub/a.png']
    page.evaluate("""([name, bytes]) => { const data = new DataTransfer()
        data.items.add(new File([Uint8Array.from(bytes)], name))
        document.body.dispatchEvent(new DragEvent('drop', {dataTransfer: data, bubbles: true, cancelable: true})) }""", ['dropped.png', list((cells/'01.png').read_bytes())])
    state(page, re.compile('^3 images; the model answers'))
    assert page.locator('#rows tr').nth(2).text_content().startswith('dropped.png') and page.elsewhere == [] and page.wrong == []
    page.context.close()
