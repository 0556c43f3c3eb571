"Triton before TensorFlow: in the other order the whole test run is aborted (see `models.keras_setup`)."
from importlib.util import find_spec

if find_spec('triton') is not None: import triton
