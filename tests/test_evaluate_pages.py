"""The pages of a report and of an audit in chromium: nothing too faint or cut off, wide and narrow, light and dark; figures lead to images.

Skipped, with a message, only where no chromium is installed. BLOOD_CELLS_SHOTS=folder keeps screenshots.
"""
import pandas as pd
import pytest

from test_use_browser import CONTRAST, browser, opened, pytestmark, shot  # noqa: F401

CUT = """() => [...document.querySelectorAll('.wide, figure, p, h1, h2, h3, td, th')].filter(
    e => e.scrollWidth > e.clientWidth + 1 || e.getBoundingClientRect().right > innerWidth + 1).map(e => e.outerHTML.slice(0, 200))"""


@pytest.fixture(scope='module')
def pages(tmp_path_factory):
    "Phantoms with everything that an audit finds, and a report on a model that looks at colours."
    from blood_cell_cancer.data.audit.report import audit
    from blood_cell_cancer.data.datasets import folder_images
    from blood_cell_cancer.data.phantoms.make import make_phantoms
    from blood_cell_cancer.data.splits import split_images
    from blood_cell_cancer.evaluate.baselines import histogram_baseline, majority_baseline
    from blood_cell_cancer.evaluate.calibration import UncertaintyReport, risk_coverage
    from blood_cell_cancer.evaluate.report import Report
    folder = tmp_path_factory.mktemp('pages')
    make_phantoms(folder/'cells', n=16, bar=True, duplicates=3, overlaps=2, corrupt=2)
    images = folder_images(folder/'cells', progress=False)
    audit(images, progress=False).save(folder/'audit.html')
    images = split_images(images[images['error'] == ''], 'image', sizes=(.4, .2, .4))
    preds = histogram_baseline(images, 'test', progress=False)
    report = Report(model='colours', split='test', preds=preds, baselines={'commonest class': majority_baseline(images, 'test')},
                    history=pd.DataFrame(), facts=[('data hash', 'f'*64)])
    classes = list(images['label'].cat.categories)
    report.uncertainty = UncertaintyReport(pd.DataFrame(dict(n=6, covered=5, share=5/6, low=.44, high=.97, **{'class': classes})), .95, pd.Series({1: 20, 2: 10}),
                                           (.8, .6, .9), (.9, .7, 1.), (.8, .6, .9), risk_coverage(preds), pd.DataFrame())
    report.save(folder/'report.html')
    return folder


@pytest.mark.parametrize('scheme,width', [('light', 1280), ('light', 390), ('dark', 1280), ('dark', 390)])
@pytest.mark.parametrize('name', ['audit', 'report'])
def test_nothing_is_cut_off_or_too_faint(browser, pages, name, scheme, width):  # noqa: F811
    page = opened(browser, color_scheme=scheme)
    page.set_viewport_size(dict(width=width, height=900))
    page.goto((pages/f'{name}.html').as_uri())
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert page.evaluate('document.documentElement.scrollWidth') <= width
    assert page.evaluate(CUT) == []
    assert page.evaluate(CONTRAST.replace('.bcc *', 'body *')) == []
    assert page.evaluate("[...document.images].filter(i => !i.complete || !i.naturalWidth).length") == 0 and len(page.locator('img').all()) > 4
    assert not page.wrong and not page.elsewhere
    shot(page, f'{name}_{scheme}_{width}')


@pytest.mark.parametrize('width', [390, 1280])
def test_the_charts_of_uncertainty_are_not_shrunk(browser, pages, width):  # noqa: F811
    page = opened(browser)
    page.set_viewport_size(dict(width=width, height=900))
    page.goto((pages/'report.html').as_uri())
    scales = page.evaluate("""() => [...document.querySelectorAll('svg')].filter(s => /Coverage by class|Sizes of the|Risk-cov/.test(s.parentElement.getAttribute('aria-label')))
        .map(s => s.getBoundingClientRect().width/s.viewBox.baseVal.width)""")
    assert len(scales) == 3 and min(scales) >= 1, scales # letters of ten points are ten pixels high or more
    shot(page, f'uncertainty_{width}')


@pytest.mark.parametrize('n', [8, 12, 16, 24])
def test_a_wide_table_fits_the_paper(browser, tmp_path, n):  # noqa: F811
    from blood_cell_cancer.core.html import html_table, page_html
    names = [f'Hypersegmented neutrophilic granulocyte (6 lobes) of type {i}' for i in range(n)]
    table = html_table(pd.DataFrame(1234, index=pd.Index(names, name='true class'), columns=names), 'Numbers of images')
    (tmp_path/'wide.html').write_text(page_html('Wide', [], [dict(id='s', title='Wide', html=table)]), encoding='utf-8')
    page = opened(browser)
    page.set_viewport_size(dict(width=673, height=900)) # what the margins leave of A4
    page.emulate_media(media='print')
    page.goto((tmp_path/'wide.html').as_uri())
    assert page.evaluate('document.documentElement.scrollWidth') <= 673


def test_a_figure_of_the_confusion_matrix_opens_its_images(browser, pages):  # noqa: F811
    page = opened(browser)
    page.goto((pages/'report.html').as_uri())
    number = page.locator('td a').first
    row = number.locator('xpath=ancestor::tr').locator('th').text_content()
    number.click()
    page.wait_for_timeout(200)
    heading = page.locator(':target')
    assert -1 < heading.bounding_box()['y'] < 900 # the page is scrolled by whole pixels
    first = page.locator(':target + .pictures img').first.get_attribute('alt')
    assert f'true {row}, predicted ' in first
