__version__ = "0.1.0"

# The names of `blood_cell_cancer.all`, each fetched from its module when it is first used (PEP 562): `import blood_cell_cancer`
# loads nothing, and torch only where it is needed. Not lazy-loader: the order of the two engines is checked before each first use, and
# `evaluate` is both a room and a name. nbdev renews the line above and leaves the rest as it is.
import os
import sys
import warnings
from typing import TYPE_CHECKING

# ONNX Runtime (since 1.32 on Linux too) otherwise keeps a number of this computer and sends what it does to its makers.
os.environ.setdefault('ORT_DISABLE_TELEMETRY', '1')
# fastai calls it when it is imported: torch's warning would stand in red under the first cell of every notebook, and is not for its reader.
warnings.filterwarnings('ignore', '`torch.jit.script` is deprecated', FutureWarning)

if TYPE_CHECKING: from .all import *

_PLACES = {
    'core.plots': 'show_images',
    'data.annotations': 'apply_annotations read_annotations',
    'data.audit.report': 'audit',
    'data.datasets': 'load_images',
    'data.loaders': 'image_loaders',
    'data.phantoms.make': 'make_phantoms show_phantoms',
    'data.splits': 'apply_split save_split split_images',
    'models.adapt': 'adapt least_certain',
    'models.backbones': 'RECIPES recipe',
    'models.bundle': 'load_model',
    'models.ensemble': 'ensemble',
    'models.fastai.learner': 'image_learner',
    'models.keras.image_model': 'image_model',
    'models.model': 'Model',
    'models.shipped': 'push_bundle',
    'models.training': 'train',
    'models.uncertainty': 'fit_uncertainty',
    'models.weights': 'list_backbones',
    'evaluate.compare': 'compare_models',
    'evaluate.external': 'external_validation',
    'evaluate.report': 'evaluate',
    'evaluate.robustness': 'robustness',
    'evaluate.saliency': 'saliency_by_place saliency_maps',
    'use.app.adapt': 'LabellingPanel',
    'use.app.augment': 'AugmentationExplorer',
    'use.app.classify': 'ImageClassifier',
    'use.app.errors': 'ErrorExplorer',
    'use.app.explorer': 'DataExplorer',
    'use.app.train': 'TrainingPanel',
    'use.export': 'export_onnx',
    'use.predict': 'predict read_predictions save_predictions'}
_WHERE = {name: module for module, names in _PLACES.items() for name in names.split()}
_ROOMS = 'core', 'data', 'models', 'evaluate', 'use', 'all'
__all__ = list(_WHERE)


def _in_order():
    "TensorFlow before triton, which torch loads, would abort the process without a word: say it instead."
    if 'tensorflow' in sys.modules:
        from .core.machine import triton_first
        triton_first()


_in_order()


def __getattr__(name):
    from importlib import import_module
    _in_order()
    # `evaluate` is a room and a function: the room can be called.
    if name in _ROOMS: return import_module(f'{__name__}.{name}')
    if name not in _WHERE: raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    from .core.help import with_arguments
    globals()[name] = found = with_arguments(getattr(import_module(f'{__name__}.{_WHERE[name]}'), name))
    return found


def __dir__(): return sorted({*(n for n in globals() if n.startswith('__')), *_WHERE, *_ROOMS})
