"""Figures with intervals beside baselines. The room can be called, since `evaluate` is also the name of its main function:
`bcc.evaluate(model, images)` is `blood_cell_cancer.evaluate.report.evaluate`."""
import sys
from types import ModuleType


class _Room(ModuleType):
    def __call__(self, *args, **kwargs):
        from .report import evaluate
        return evaluate(*args, **kwargs)


sys.modules[__name__].__class__ = _Room
