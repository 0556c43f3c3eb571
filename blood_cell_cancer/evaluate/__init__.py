"""Figures with intervals beside baselines. This sub-package can be called, since `evaluate` is also the name of its main function:
`bcc.evaluate(model, images)` is `blood_cell_cancer.evaluate.report.evaluate`."""
import sys
from types import ModuleType

_ROOM = __doc__


class _Room(ModuleType):
    def __call__(self, *args, **kwargs):
        from .report import evaluate
        return evaluate(*args, **kwargs)

    # `help(bcc.evaluate)` and the tooltip of a notebook tell the function's arguments.
    @property
    def __doc__(self):
        from ..core.help import with_arguments
        from .report import evaluate
        return f'{with_arguments(evaluate).__doc__}\n\n{_ROOM}'

    @property
    def __signature__(self):
        import inspect
        from .report import evaluate
        return inspect.signature(evaluate)


sys.modules[__name__].__class__ = _Room
