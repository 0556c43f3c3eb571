# fastai loads triton, and after TensorFlow that would abort the process: an error in words instead.
from ...core.machine import triton_first

triton_first()
