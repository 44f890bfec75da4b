"""FPGA cost while you train: learned bit-widths, differentiable hardware models, Pareto search.

The public names are listed in `__init__.pyi`; each is imported when it is first used, so that `import hwcost` loads
neither PyTorch nor Optuna.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
