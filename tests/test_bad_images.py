"The images of bad_images.py at each door: read right, or a row or an error that names the file and the reason."
import re
import warnings

import bad_images
import numpy as np
import pytest

ODD, BAD = bad_images.odd_files(), {k: why for k, (_, why) in bad_images.bad_files().items()} | {'dangling.jpg': 'not there', 'pipe.jpg': 'a pipe'}


@pytest.fixture(scope='module')
def home(tmp_path_factory):
    "Phantoms of two classes, the corpus as a folder of its own, and a bundle with its ONNX file."
    from blood_cell_cancer.data.datasets import folder_images
    from blood_cell_cancer.data.phantoms.make import make_phantoms
    from blood_cell_cancer.data.splits import split_images
    from blood_cell_cancer.models.backbones import recipe
    from blood_cell_cancer.models.training import train
    from blood_cell_cancer.use.export import export_onnx
    home = tmp_path_factory.mktemp('bad')
    make_phantoms(home/'cells', n=dict(basophil=6, monocyte=6), size=48)
    images = split_images(folder_images(home/'cells', 'folders', progress=False), 'image', sizes=(.6, .2, .2))
    train(images, recipe('demo', weights='random', size=32, epochs=1, batch=4, views=1), progress=False, device='cpu').save(home/'m.bundle')
    export_onnx(home/'m.bundle')
    bad_images.write(home/'monocyte')
    return home


@pytest.fixture
def corpus(home):
    from blood_cell_cancer.core.tables import images_below, image_table
    return image_table(images_below(home/'monocyte'), progress=False)


def check(rows, name='name', error='error'):
    "Each odd file has a row without an error, each bad one a row with its own."
    said = {re.sub('^[.]/', '', n): e if isinstance(e, str) else '' for n, e in zip(rows[name], rows[error])}
    assert said.keys() == ODD.keys() | BAD.keys()
    for n in ODD: assert said[n] == '', (n, said[n])
    for n, why in BAD.items(): assert said[n] and why in said[n], (n, said[n])
    return rows.assign(**{name: [re.sub('^[.]/', '', n) for n in rows[name]]}).set_index(name)


def check_numbers(rows):
    "Files with the same pixels get the same numbers; bad ones get none."
    p = check(rows).filter(regex='^p_')
    assert p.loc[list(BAD)].isna().all().all() and p.loc[list(ODD)].notna().all().all()
    for n in ('on its side.png', 'alpha.png', 'webp named png.png'): np.testing.assert_allclose(p.loc[n], p.loc['plain.png'], atol=1e-6)
    assert np.abs(p.loc['CAPITALS.PNG'] - p.loc['plain.png']).max() > 1e-6 # another picture


def test_pixels(home, corpus):
    from blood_cell_cancer.core.io import read_image
    check(corpus)
    for n, (_, pixels) in ODD.items(): np.testing.assert_array_equal(np.asarray(read_image(home/'monocyte'/n)), pixels, err_msg=n)


def test_audit(corpus):
    from blood_cell_cancer.data.audit.report import audit
    section, = audit(corpus, ('integrity',), progress=False).sections
    text = section.table.to_string() + section.sentence
    assert section.verdict == 'bad' and all(n in text for n in BAD), text


@pytest.mark.parametrize('engine', ['fastai', 'keras'])
def test_training_refuses_and_names(home, engine):
    from blood_cell_cancer.core.io import ImageError
    from blood_cell_cancer.data.datasets import folder_images
    from blood_cell_cancer.models.backbones import recipe
    from blood_cell_cancer.models.training import train
    images = folder_images(home/'cells', 'folders', progress=False)
    images = images.assign(split=['train', 'train', 'validation']*4)
    images.loc[images.index[0], 'error'] = f'{images["path"].iloc[0]}: image file is truncated'
    with pytest.raises(ImageError, match=r'1 of \d+ images cannot be read: .*_0001.jpg: image file is truncated'):
        train(images, recipe('demo', weights='random', size=32), engine, progress=False)


def test_training_reads_odd_images(home, corpus, tmp_path):
    import shutil
    from blood_cell_cancer.data.datasets import folder_images
    from blood_cell_cancer.models.backbones import recipe
    from blood_cell_cancer.models.training import train
    shutil.copytree(home/'cells', tmp_path/'cells')
    for n in ODD: shutil.copy(home/'monocyte'/n, tmp_path/'cells'/'monocyte'/n)
    images = folder_images(tmp_path/'cells', 'folders', progress=False)
    assert len(images) == 12 + len(ODD) and (images['error'] == '').all()
    images['split'] = np.where(images.index % 3 == 0, 'validation', 'train')
    images['group'] = ''
    with warnings.catch_warnings():
        warnings.simplefilter('ignore') # the pixels of some are the same, and a split by row puts them on both sides
        model = train(images.drop_duplicates('sha256'), recipe('demo', weights='random', size=32, epochs=1, batch=4, views=1), progress=False, device='cpu')
    assert np.isfinite(model.history['valid_loss']).all()


def test_prediction_by_onnx(home, tmp_path):
    import pandas as pd
    from blood_cell_cancer.use.stream import predict_stream
    check_numbers(pd.read_csv(predict_stream(home/'m.bundle', home/'monocyte', tmp_path/'table.csv', progress=False)))


def test_prediction_by_torch(home, corpus):
    from blood_cell_cancer.models.bundle import load_model
    check_numbers(load_model(home/'m.bundle').predict(corpus, progress=False))


def test_app(home):
    from blood_cell_cancer.use.app.classify import Classifier
    from blood_cell_cancer.use.app.uploads import MAX_BYTES
    c = Classifier(bundle=str(home/'m.bundle'))
    said = c.add([(n, data) for n, (data, _) in (bad_images.odd_files() | bad_images.bad_files()).items()])
    files = bad_images.bad_files()
    assert len(said) == len(files) and all(s.startswith(n) for s, n in zip(said, files)), said
    assert all(len(data) < MAX_BYTES for data, _ in files.values())
    assert list(c.classify()['name']) == list(ODD) and c.preds.filter(regex='^p_').notna().all().all()
    c.clear()


def test_adapt(home, tmp_path):
    import shutil
    from blood_cell_cancer.data.datasets import folder_images
    from blood_cell_cancer.models.adapt import adapt
    from blood_cell_cancer.models.bundle import load_model
    shutil.copytree(home/'cells', tmp_path/'cells')
    for n, (data, _) in (bad_images.odd_files() | bad_images.bad_files()).items(): (tmp_path/'cells'/'monocyte'/n).write_bytes(data)
    images = folder_images(tmp_path/'cells', 'folders', progress=False)
    with pytest.warns(UserWarning, match=f'^{len(bad_images.bad_files())} of {len(images)} images cannot be read and are left out: '):
        model = adapt(load_model(home/'m.bundle'), images, progress=False, allow_training_images=True)
    assert model.extra['adaptation']['images'] == 12 + len(ODD)
