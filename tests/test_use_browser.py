"""The app and two lessons as a person uses them, in Debian's chromium.

Skipped, with a message, only where no chromium is installed (Debian: apt install chromium). BLOOD_CELLS_SHOTS=folder keeps screenshots.
"""
import os
import re
import shutil
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, given, settings, strategies as st

CHROMIUM = next((p for n in ('chromium', 'chromium-browser', 'google-chrome') if (p := shutil.which(n))), None)
pytestmark = [pytest.mark.skipif(CHROMIUM is None, reason='no chromium is installed (Debian: apt install chromium)'),
              pytest.mark.skipif(any(find_spec(m) is None for m in ('playwright', 'voila', 'jupyterlab')),
                                 reason='playwright, voila or jupyterlab is missing: install the extra dev')]
LESSONS = Path(__file__).parents[1]/'nbs'/'tutorials'
SLOW = 90_000 # milliseconds; with busy neighbours things take their time
ONLY_HERE = '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost' # the browser reaches nothing but this computer


def started(command, log, sign, **kwargs):
    "A server and the address that it prints."
    with open(log, 'w') as f: process = subprocess.Popen(command, stdout=f, stderr=f, **kwargs)
    for _ in range(900):
        if found := re.search(sign, log.read_text()): return process, found[0]
        if process.poll() is not None: break
        time.sleep(.2)
    process.kill()
    raise RuntimeError(f'{command} did not start: {log.read_text()[-2000:]}')


def ended(process, seconds=20):
    process.terminate()
    try: process.wait(seconds)
    except subprocess.TimeoutExpired: process.kill()


@pytest.fixture(scope='module')
def browser():
    from playwright.sync_api import sync_playwright
    with sync_playwright() as p:
        browser = p.chromium.launch(executable_path=CHROMIUM, args=['--no-sandbox', '--disable-gpu', ONLY_HERE])
        yield browser
        browser.close()


def opened(browser, **kwargs):
    "A page that remembers what it asked for elsewhere and what went wrong."
    page = browser.new_context(viewport=dict(width=1200, height=900), accept_downloads=True, **kwargs).new_page()
    page.set_default_timeout(SLOW)
    # Playwright asks for file choosers only once somebody listens, and doesn't wait: a key pressed at once would open a dialog that it never sees.
    page.on('filechooser', lambda chooser: None)
    page.elsewhere, page.wrong = [], []
    # Listened to, not intercepted: an intercepted request of a page that closes (it asks for the end of its process) is lost where the test is slower than the page.
    for event in ('request', 'websocket'):
        page.on(event, lambda e: page.elsewhere.append(e.url) if re.match(r'(http|ws)s?://(?!(127\.0\.0\.1|localhost)[:/])', e.url) else None)
    page.on('pageerror', lambda e: page.wrong.append(str(e)))
    return page


def shot(page, name):
    if folder := os.environ.get('BLOOD_CELLS_SHOTS'): page.screenshot(path=f'{folder}/{name}.png', full_page=True)


@pytest.fixture(scope='module')
def home(tmp_path_factory):
    "Phantoms, and a bundle that was never trained: it answers, which is enough here."
    from blood_cell_cancer.data.datasets import folder_images
    from blood_cell_cancer.data.phantoms.make import make_phantoms
    from blood_cell_cancer.data.splits import split_images
    from blood_cell_cancer.models.backbones import IMAGENET, recipe
    from blood_cell_cancer.models.bundle import save_bundle
    from blood_cell_cancer.models.nets import CutNet
    from blood_cell_cancer.models.model import Model, data_facts
    home = tmp_path_factory.mktemp('app')
    make_phantoms(home/'cells', n=6, seed=4, size=96)
    images = split_images(folder_images(home/'cells', progress=False), sizes=(.5, .25, .25))
    r, classes = recipe('demo', weights='random', size=64), tuple(images['label'].cat.categories)
    save_bundle(Model(CutNet(r.backbone, len(classes), r.cut, r.head), 'fastai', r, classes, *IMAGENET, 'random', pd.DataFrame(),
                      data_facts(images)), home/'m.bundle')
    return home


@pytest.fixture(scope='module')
def uploads(home): return home/'cache'/'blood_cell_cancer'/'uploads'


def app_started(home, port, keep):
    "A server of the app, and the address that it prints."
    command = [sys.executable, '-c', 'from blood_cell_cancer.use.cli import main; main()', 'app', '--no-browser', '--port', port,
               '--bundle', home/'m.bundle', '--data', home/'cells', '--keep', home/keep]
    return started([str(c) for c in command], home/f'{keep}.txt', r'http://127\.0\.0\.1:\d+/\?token=\w+', env=dict(os.environ, XDG_CACHE_HOME=str(home/'cache')))


@pytest.fixture(scope='module')
def address(home):
    process, address = app_started(home, 8970, 'kept')
    yield address
    ended(process)


@pytest.fixture(scope='module')
def app(browser, address):
    page = opened(browser)
    page.goto(address)
    page.get_by_text('30 images of 5 classes.').wait_for()
    return page


def tab(page, name): page.locator('.tabs').get_by_role('button', name=name, exact=True).click()


def annotations_of(page, tmp_path):
    "The exported annotations."
    from blood_cell_cancer.data.annotations import read_annotations
    with page.expect_download() as d: page.get_by_role('link', name='Download annotations').click()
    assert d.value.suggested_filename == 'annotations.csv'
    d.value.save_as(tmp_path/'annotations.csv')
    return read_annotations(tmp_path/'annotations.csv').set_index('name')


def test_annotate_turn_the_page_and_export(app, home, tmp_path):
    from blood_cell_cancer.data.datasets import folder_images
    from blood_cell_cancer.data.annotations import apply_annotations
    tab(app, 'Data')
    app.get_by_label('Annotation', exact=True).nth(1).select_option('drop') # the first is the filter
    app.get_by_label('Annotation', exact=True).nth(2).select_option('relabel')
    app.get_by_label('New class').locator('visible=true').select_option('monocyte')
    app.get_by_text('2 annotated: 1 to drop, 1 to relabel').wait_for()
    shot(app, 'data')
    app.get_by_role('button', name='Next page').click()
    app.get_by_text('Page 2 of 3').wait_for()
    assert app.get_by_label('Annotation', exact=True).nth(1).input_value() != 'drop'
    app.get_by_role('button', name='Previous page').click()
    app.get_by_text('Page 1 of 3').wait_for()
    assert app.get_by_label('Annotation', exact=True).nth(1).locator('option:checked').text_content() == 'drop'
    annotations = annotations_of(app, tmp_path)
    assert annotations[['annotation', 'new_label']].to_numpy().tolist() == [['drop', ''], ['relabel', 'monocyte']]
    applied = apply_annotations(folder_images(home/'cells', progress=False), tmp_path/'annotations.csv').set_index('name')
    assert applied.loc[annotations.index[0], 'split'] == 'dropped' and applied.loc[annotations.index[1], 'label'] == 'monocyte'


def test_the_title_comes_before_the_widgets(browser, address):
    page = opened(browser)
    page.goto(address, wait_until='commit')
    page.locator('#loading h1', has_text='Blood cells').wait_for() # while the kernel starts
    assert page.locator('.bcc').count() == 0
    page.close()


def test_a_picture_is_enlarged_by_a_click_and_by_enter(app):
    tab(app, 'Data')
    first = app.locator('.bcc-card img').first
    first.click()
    large = app.locator('dialog.bcc-zoom img')
    assert large.bounding_box()['width'] > 2*first.bounding_box()['width'] and large.get_attribute('alt') == first.get_attribute('alt')
    shot(app, 'enlarged')
    app.keyboard.press('Escape')
    app.locator('dialog.bcc-zoom').wait_for(state='detached')
    assert app.evaluate('document.activeElement.alt') == first.get_attribute('alt')
    app.keyboard.press('Enter')
    large.wait_for()
    large.click()
    app.locator('dialog.bcc-zoom').wait_for(state='detached')


def test_mark_many_by_key_and_lose_no_half_made_mark(app, tmp_path):
    from playwright.sync_api import expect
    tab(app, 'Data')
    cards = app.locator('.bcc-card')
    named = lambda i: cards.nth(i).locator('img').get_attribute('alt').split(',')[0]
    many = {named(i) for i in (3, 4, 5)}
    cards.nth(3).locator('img').focus()
    app.keyboard.press('x')
    cards.nth(5).locator('img').focus()
    app.keyboard.press('Shift+X')
    assert app.locator('.bcc-card.picked').count() == 3
    app.keyboard.press('2')
    app.get_by_text('5 annotated: 4 to relabel, 1 to drop').wait_for()
    assert app.locator('.bcc-card.picked').count() == 0
    told = annotations_of(app, tmp_path)
    assert set(told.loc[list(many), 'new_label']) == {'erythroblast'}
    for i in (3, 4, 5):
        cards.nth(i).locator('img').focus()
        app.keyboard.press('0')
    app.get_by_text('2 annotated: 1 to drop, 1 to relabel').wait_for()
    # Another button, before the new class is chosen:
    cards.nth(6).get_by_label('Annotation', exact=True).select_option('relabel')
    app.get_by_role('button', name='Next page').click()
    app.get_by_text('Page 2 of 3').wait_for()
    app.get_by_role('button', name='Previous page').click()
    app.get_by_text('Page 1 of 3').wait_for()
    app.get_by_text('1 to relabel: choose the new class').wait_for()
    expect(cards.nth(6).get_by_label('Annotation', exact=True)).to_have_value('relabel')
    cards.nth(6).locator('img').focus()
    app.keyboard.press('0')
    app.get_by_text('1 to relabel: choose').wait_for(state='detached')


def test_picks_are_of_images_and_not_of_places(app):
    "A card that shows another image after a page or a filter is not picked any more, and no range begins at it."
    from playwright.sync_api import expect
    tab(app, 'Data')
    cards, picked = app.locator('.bcc-card'), app.locator('.bcc-card.picked')
    def press(i, key):
        cards.nth(i).locator('img').focus()
        app.keyboard.press(key)
    press(0, 'x')
    expect(picked).to_have_count(1)
    app.get_by_role('button', name='Next page').click()
    app.get_by_text('Page 2 of 3').wait_for()
    expect(picked).to_have_count(0)
    press(4, 'Shift+X')
    expect(picked).to_have_count(1)
    press(4, 'l')
    app.get_by_text('3 annotated: 1 to drop, 1 to relabel, 1 to look again').wait_for()
    press(4, '0')
    app.get_by_text('2 annotated: 1 to drop, 1 to relabel').wait_for()
    for i in (0, 1): press(i, 'x')
    first = app.get_by_label('Class', exact=True).locator('visible=true')
    first.select_option('seg_neutrophil')
    app.get_by_text('Page 1 of 1, 6 images').wait_for()
    expect(picked).to_have_count(0)
    first.select_option(label='all')
    app.get_by_text('Page 1 of 3').wait_for()


def test_the_focus_stays_at_the_last_page(app):
    from playwright.sync_api import expect
    tab(app, 'Data')
    after, before = (app.get_by_role('button', name=f'{which} page') for which in ('Next', 'Previous'))
    expect(before).to_have_attribute('aria-disabled', 'true')
    after.focus()
    for i in (2, 3):
        app.keyboard.press('Enter')
        app.get_by_text(f'Page {i} of 3').wait_for()
    expect(after).to_have_attribute('aria-disabled', 'true')
    expect(after).to_be_focused()
    expect(before).to_have_attribute('aria-disabled', 'false')
    shot(app, 'last_page')
    before.focus()
    for i in (2, 1):
        app.keyboard.press('Enter')
        app.get_by_text(f'Page {i} of 3').wait_for()
    expect(before).to_be_focused()


def test_a_slider_by_keyboard(app):
    tab(app, 'Augmentation')
    slider = app.get_by_role('slider', name='Rotation, degrees')
    slider.wait_for()
    before = app.locator('img[alt^="view 1"]').get_attribute('src')
    assert 'rotation=20.0' in app.locator('pre').text_content()
    slider.focus()
    slider.press('PageUp')
    app.wait_for_function("!document.querySelector('pre').textContent.includes('rotation=20.0')")
    assert app.locator('img[alt^="view 1"]').get_attribute('src') != before
    outline = slider.evaluate("e => getComputedStyle(e).outlineStyle + getComputedStyle(e).outlineWidth")
    assert outline == 'solid3px', 'what has the focus must show it'
    shot(app, 'augmentation')


def test_upload_a_phantom_and_a_wrong_file(app, home):
    tab(app, 'Classifier')
    picture = home/'cells'/'monocyte'/'monocyte_0002.jpg'
    with app.expect_file_chooser() as chooser: app.get_by_role('button', name='Choose images').click()
    wrong = home/'<b>notes.txt'
    wrong.write_text('basophil?')
    chooser.value.set_files([picture, wrong])
    alert = app.get_by_role('alert')
    alert.wait_for()
    assert alert.text_content().startswith('<b>notes.txt is not an image that can be read here. Choose JPEG, PNG')
    app.get_by_text('Download the table (1 rows)').wait_for()
    app.get_by_text('this very file').or_(app.get_by_text(re.compile(r'similarity 0?\.?\d'))).first.wait_for()
    assert app.locator('img[alt^="monocyte_0002.jpg. Grad-CAM"]').count() == 1
    with app.expect_download() as d: app.get_by_role('link', name='Download the table').click()
    assert d.value.path().read_text().splitlines()[1].startswith('monocyte_0002.jpg,')
    shot(app, 'classifier')


DROP = """([name, type, base64, size]) => {
    const bytes = base64 ? Uint8Array.from(atob(base64), c => c.charCodeAt(0)) : new Uint8Array(size), data = new DataTransfer()
    data.items.add(new File([bytes], name, {type}))
    document.querySelector('.bcc-drop').dispatchEvent(new DragEvent('drop', {dataTransfer: data, bubbles: true, cancelable: true}))
}"""


def test_drop_a_file_and_one_that_is_too_large(app, home):
    import base64
    tab(app, 'Classifier')
    content = base64.b64encode((home/'cells'/'basophil'/'basophil_0001.jpg').read_bytes()).decode()
    app.evaluate(DROP, ['dropped.jpg', 'image/jpeg', content, 0])
    app.get_by_role('cell', name='dropped.jpg').wait_for()
    said = []
    app.once('dialog', lambda d: (said.append(d.message), d.accept()))
    app.evaluate(DROP, ['slide.tif', 'image/tiff', '', 70_000_000])
    assert said and '70 MB' in said[0] and '60 MB can be sent at once' in said[0]
    app.evaluate(DROP, ['large.png', 'image/png', '', 12_000_000]) # larger than the server's own limit of 10 MiB a message
    app.get_by_text('large.png has 12 MB, and 10 MB is the limit.').wait_for()


NAMES = st.builds(lambda stem, suffix: stem + suffix, st.text(st.characters(blacklist_categories=['Cs']), max_size=30) | st.sampled_from(
    ['../../up', '/etc/passwd', '..\\\\up', '<img src=x onerror=alert(1)>', '=1+1', '.hidden', 'CON', 'a' * 300, '\u202egpj', '\n', '{{7*7}}', '%2e%2e%2f']),
    st.sampled_from(['.jpg', '.PNG', '.tif', '.svg', '.html', '']))


@settings(max_examples=4, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), phases=[Phase.generate]) # shrinking takes minutes in a browser
@given(st.lists(st.tuples(NAMES, st.binary(max_size=200) | st.just(None)), min_size=6, max_size=8))
def test_any_name_and_any_bytes(app, home, uploads, files):
    "Whatever is dropped is a row or refused in words, and touches nothing else."
    import base64
    whole = (home/'cells'/'basophil'/'basophil_0002.jpg').read_bytes()
    tab(app, 'Classifier')
    app.get_by_role('button', name='Clear the list').click()
    app.get_by_role('link', name='Download the table').wait_for(state='hidden')
    before = {f for f in home.rglob('*') if uploads not in f.parents and 'kept' not in f.parts}
    for name, data in [*files, ('last.jpg', None)]:
        app.evaluate(DROP, [name, 'image/jpeg', base64.b64encode(whole if data is None else data).decode(), 0])
    app.get_by_role('cell', name='last.jpg', exact=True).wait_for()
    taken = sum(data is None for _, data in files) + 1
    assert 1 <= int(re.search(r'\((\d+) rows\)', app.get_by_role('link', name='Download the table').text_content())[1]) <= taken
    assert {f for f in home.rglob('*') if uploads not in f.parents and 'kept' not in f.parts} == before
    assert {f.parent for f in uploads.rglob('*') if f.is_file()} <= set(uploads.glob('session-*')) # no name leads below or beside it
    assert app.wrong == [] and app.elsewhere == [] and app.locator('.bcc img[src=x]').count() == 0


def test_errors_open_their_images(app):
    from playwright.sync_api import expect
    tab(app, 'Errors')
    app.get_by_role('button', name='Evaluate the model').click()
    app.get_by_role('heading', name='Confusion matrix').wait_for()
    cell = app.locator('.bcc-matrix button:not([disabled])').first
    n = int(cell.text_content())
    cell.click()
    app.get_by_text(re.compile(f'True class .*: {n} image')).wait_for()
    # The heading comes a message before the images.
    expect(app.locator('.thumbs.large img').locator('visible=true')).to_have_count(min(n, 24))
    least = app.get_by_role('slider', name='Minimum probability')
    least.focus()
    least.press('End') # certainty, which an untrained model never has
    app.get_by_text(re.compile(r'At this threshold the model abstains on all \d+ images')).wait_for()
    shot(app, 'errors')


# What lies beyond the right edge, and not inside a box that stands on the page and can be scrolled.
LOST = """() => { const boxed = e => { for (let s = e.parentElement; s; s = s.parentElement)
        if (['auto', 'scroll'].includes(getComputedStyle(s).overflowX)) return s != document.documentElement && s.getBoundingClientRect().right <= innerWidth + 1
        return false }
    return [...document.querySelectorAll('.bcc *')].filter(e => e.offsetParent && e.getBoundingClientRect().right > innerWidth + 1 && !boxed(e)).map(e => e.outerHTML.slice(0, 200)) }"""


def test_on_a_telephone_tables_scroll_inside_their_boxes(app, home):
    tab(app, 'Classifier')
    wide = home/('a-name-without-a-space-'*3 + '.jpg')
    shutil.copy(home/'cells'/'monocyte'/'monocyte_0001.jpg', wide)
    with app.expect_file_chooser() as chooser: app.get_by_role('button', name='Choose images').click()
    chooser.value.set_files(wide)
    app.get_by_role('cell', name=wide.name).wait_for()
    tab(app, 'Errors')
    app.get_by_role('button', name='Evaluate the model').click()
    app.get_by_role('heading', name='Confusion matrix').wait_for()
    app.set_viewport_size(dict(width=320, height=800))
    for name, box in (('Classifier', '.wide:has(td)'), ('Errors', '.bcc-matrix')):
        tab(app, name)
        box = app.locator(box).locator('visible=true').first
        box.wait_for()
        app.wait_for_timeout(150)
        assert box.evaluate('e => e.scrollWidth > e.clientWidth && (e.scrollLeft = 9999, e.scrollLeft > 0)'), name
        box.evaluate('e => e.scrollLeft = 0')
        assert app.evaluate(LOST) == [] and app.evaluate('document.documentElement.scrollWidth') <= 320, name
        shot(app, f'{name}_320')
    app.set_viewport_size(dict(width=1200, height=900))


UNNAMED = """() => [...document.querySelectorAll('.bcc input, .bcc select, .bcc [role=slider], .bcc button, .bcc img')].filter(e => e.offsetParent && !(
    e.tagName == 'IMG' ? e.hasAttribute('alt') : e.getAttribute('aria-label') || e.textContent.trim() && e.tagName == 'BUTTON' || e.title || [...(e.labels || [])].some(l => l.textContent.trim()))).map(e => e.outerHTML.slice(0, 200))"""
CONTRAST = """() => {
    const rgb = c => c.match(/[\\d.]+/g).map(Number), lum = ([r, g, b]) => [r, g, b].map(v => (v /= 255) <= .03928 ? v/12.92 : ((v + .055)/1.055)**2.4).reduce((s, v, i) => s + v*[.2126, .7152, .0722][i], 0)
    const over = (a, b) => { const k = a[3] ?? 1; return [0, 1, 2].map(i => a[i]*k + b[i]*(1 - k)) }
    const behind = e => { let c = [255, 255, 255], all = []; for (; e; e = e.parentElement) all.unshift(e); for (const p of all) c = over(rgb(getComputedStyle(p).backgroundColor), c); return c }
    return [...document.querySelectorAll('.bcc *')].filter(e => e.offsetParent && !e.disabled && [...e.childNodes].some(n => n.nodeType == 3 && n.textContent.trim())).map(e => {
        const b = behind(e), f = over(rgb(getComputedStyle(e).color), b), [hi, lo] = [lum(f), lum(b)].sort((x, y) => y - x)
        return [(hi + .05)/(lo + .05), e.textContent.trim().slice(0, 40)] }).filter(([c]) => c < 4.5)
}"""


def test_label_cells_for_adapting(app):
    tab(app, 'Adaptation')
    lists = app.locator('select:visible', has=app.locator('option', has_text='not sure'))
    lists.nth(7).wait_for()
    for i in (0, 1): lists.nth(i).select_option('monocyte')
    app.get_by_role('button', name='Take these labels').click()
    app.get_by_text('2 images are labelled.').wait_for()
    app.get_by_role('button', name='Adapt the model').click()
    app.get_by_role('alert').get_by_text('at least two classes with 5 labelled images each; so far there are 2 of monocyte').wait_for()
    shot(app, 'adaptation')


@pytest.mark.parametrize('scheme,width', [('dark', 1200), ('dark', 390), ('light', 390), ('light', 1200)])
def test_readable_named_and_in_one_column(app, scheme, width):
    "In light and dark, wide and narrow: nothing too faint, nothing without a name, nothing beyond the edge."
    app.emulate_media(color_scheme=scheme)
    app.set_viewport_size(dict(width=width, height=900))
    for name in ('Classifier', 'Data', 'Augmentation', 'Errors', 'Training', 'Adaptation'):
        tab(app, name)
        if name == 'Adaptation': app.get_by_role('button', name='Adapt the model').wait_for() # once the model has been loaded
        app.wait_for_timeout(150)
        assert app.evaluate(UNNAMED) == [], name
        assert app.evaluate(CONTRAST) == [], name
        assert app.evaluate('document.documentElement.scrollWidth') <= width and app.evaluate(LOST) == [], name
        shot(app, f'{name}_{scheme}_{width}')


def test_by_keyboard_alone(app):
    app.locator('.tabs button').first.focus()
    app.keyboard.press('Tab')
    app.keyboard.press('Enter')
    assert app.evaluate("document.activeElement.textContent") == 'Data'
    app.get_by_text('Page 1 of 3').wait_for()
    assert app.locator('.tabs button[aria-pressed=true]').text_content() == 'Data'


def test_annotations_are_restored_and_nothing_was_sent_elsewhere(app, tmp_path):
    app.reload()
    app.get_by_text('2 annotations of an earlier session were restored.').wait_for()
    tab(app, 'Data')
    assert len(annotations_of(app, tmp_path)) == 2
    assert app.elsewhere == [] and app.wrong == []


def test_what_is_asked_of_another_computer_is_seen_and_not_reached(browser):
    page = opened(browser)
    assert page.evaluate("fetch('http://example.org/a').then(() => 'reached', () => 'not reached')") == 'not reached'
    assert page.evaluate("new Promise(end => { new WebSocket('wss://example.org/b').onerror = () => end('not reached') })") == 'not reached'
    assert page.elsewhere[0] == 'http://example.org/a' and {*page.elsewhere[1:]} <= {'wss://example.org/b'} # Playwright 1.50 keeps silent on a socket that can't be opened


def test_closing_the_page_keeps_the_best_epoch_and_deletes_uploads(browser, address, home, uploads):
    "The process that trains, and that of the page, end in order although nobody waits for them."
    page = opened(browser)
    page.goto(address)
    page.get_by_text('30 images of 5 classes.').wait_for()
    with page.expect_file_chooser() as chooser: page.get_by_role('button', name='Choose images').click()
    chooser.value.set_files(home/'cells'/'monocyte'/'monocyte_0003.jpg')
    page.get_by_text('Download the table (1 rows)').wait_for()
    mine = [f for f in uploads.glob('session-*') if (f/'monocyte_0003.jpg').exists()]
    assert len(mine) == 1
    tab(page, 'Training')
    page.get_by_label('Recipe', exact=True).locator('visible=true').select_option('ball4_convnext_tiny') # which never stops early: a quick machine would be done before the page is closed
    page.get_by_label('Backbone', exact=True).locator('visible=true').select_option('mobilenetv2')
    page.get_by_label('Weights', exact=True).locator('visible=true').select_option('random') # a menu: no file can be named here
    page.get_by_label('Maximum epochs').fill('500')
    page.get_by_label('Maximum epochs').press('Tab')
    page.get_by_text('at most 500 epochs').wait_for()
    page.get_by_role('button', name='Start training').click()
    page.get_by_text(re.compile(r'[1-9]\d* of at most 500 epochs are finished')).wait_for()
    page.evaluate("history.replaceState(null, '', location.pathname)") # a reader who has the cookie needs no token in the address
    page.close(run_before_unload=True)
    page = opened(browser)
    page.goto(address)
    page.get_by_text('30 images of 5 classes.').wait_for()
    tab(page, 'Training')
    page.get_by_text('Stopped, and the best epoch was kept.').wait_for()
    page.get_by_role('button', name='Use this model').click()
    page.get_by_text('The model is loaded when it is first used.').wait_for()
    bundle, = (home/'kept'/'models').glob('*.bundle')
    from blood_cell_cancer.models.bundle import load_model
    assert load_model(bundle).interrupted
    for _ in range(100):
        if not mine[0].exists(): break
        time.sleep(.2)
    assert not mine[0].exists() and page.wrong == [] and page.elsewhere == []


def test_a_page_without_its_program_takes_nothing_more(browser, home):
    "Where the page's process or the server is gone, the page says that nothing is saved, and nothing on it can be used."
    import psutil
    process, address = app_started(home, 8971, 'kept2')
    try:
        page = opened(browser)
        page.goto(address)
        page.get_by_text('30 images of 5 classes.').wait_for()
        lost, content = page.get_by_role('alert').get_by_text('nothing is saved from here on'), page.locator('#rendered_cells')
        tab(page, 'Data')
        annotation = page.get_by_label('Annotation', exact=True).nth(1)
        annotation.wait_for()
        assert lost.count() == 0 and not content.evaluate('e => e.inert')
        for kernel in psutil.Process(process.pid).children(): kernel.kill()
        lost.wait_for() # though the server starts another process in its place
        assert content.evaluate('e => e.inert')
        annotation.evaluate('e => e.focus()')
        assert page.evaluate('document.activeElement.tagName') == 'BODY'
        shot(page, 'lost')
        page.reload()
        page.get_by_text('30 images of 5 classes.').wait_for()
        seen = page.evaluate("""async () => { const main = document.getElementById('rendered_cells'), kernel = jupyterapp.widgetManager.kernel, back = kernel.reconnect(), meanwhile = main.inert
            await back
            return [meanwhile, main.inert] }""")
        assert seen == [True, False] and lost.count() == 0, 'a connection that comes back'
        ended(process)
        lost.wait_for()
        assert content.evaluate('e => e.inert') and page.wrong == []
        page.close()
    finally: ended(process)


@pytest.fixture(scope='module')
def lab(tmp_path_factory):
    home = tmp_path_factory.mktemp('lab')
    for f in LESSONS.glob('0*.ipynb'): shutil.copy(f, home)
    env = dict(os.environ, JUPYTER_CONFIG_DIR=str(home/'config'), JUPYTERLAB_SETTINGS_DIR=str(home/'settings'),
               JUPYTERLAB_WORKSPACES_DIR=str(home/'workspaces'), JUPYTER_RUNTIME_DIR=str(home/'runtime'))
    # Every cell on the page at once, and neither news nor a look for a newer version.
    for name, text in (('notebook-extension/tracker', '{"windowingMode": "none"}'),
                       ('apputils-extension/notification', '{"fetchNews": "false", "checkForUpdates": false}')):
        file = home/'settings'/'@jupyterlab'/f'{name}.jupyterlab-settings'
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    process, address = started([sys.executable, '-m', 'jupyterlab', '--no-browser', '--allow-root', '--port', '8990',
                                '--ServerApp.root_dir', str(home)], home/'log.txt', r'http://127\.0\.0\.1:\d+/lab\?token=\w+', env=env)
    yield address
    ended(process, 3) # it would wait for its kernel, which ends with it


def test_a_lesson_in_jupyterlab(browser, lab):
    "Run the first cells until one shows something."
    page, name = opened(browser), next(LESSONS.glob('01_*.ipynb')).name
    page.goto(lab.replace('/lab?', f'/lab/tree/{name}?'))
    page.locator('.jp-Notebook .jp-MarkdownCell h1').first.wait_for()
    page.locator('.jp-Notebook .jp-CodeCell .cm-content').first.click()
    shown = page.locator('.jp-Notebook .jp-CodeCell .jp-OutputArea-output')
    for _ in range(8): # code cells and the text between them
        page.keyboard.press('Shift+Enter')
        page.wait_for_timeout(300)
        page.wait_for_function("![...document.querySelectorAll('.jp-Notebook .jp-InputPrompt')].some(e => e.textContent.includes('*'))")
        if shown.count(): break
    shot(page, name.removesuffix('.ipynb'))
    first = shown.first
    assert (first.text_content().strip() or first.locator('img').count()) and not page.locator('.jp-Notebook [data-mime-type="application/vnd.jupyter.error"]').count()
    page.context.close()
