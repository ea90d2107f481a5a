"""Lets torchvision be imported beside a torch that its compiled part was not built for.

`pip` gives torchvision's build for CUDA, which a torch for the CPU can not load; the import then
fails where operators are described that nobody calls here.  They are declared, not defined.  Import
this first.
"""

from importlib.metadata import version

import torch

OPERATORS = ("nms", "qnms")
ARGUMENTS = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"


def _declare() -> torch.library.Library:
    library = torch.library.Library("torchvision", "FRAGMENT")
    for name in OPERATORS:
        library.define(name + ARGUMENTS)
    return library


CANNOT_LOAD = "+cpu" in torch.__version__ and "+cpu" not in version("torchvision")
LIBRARY = _declare() if CANNOT_LOAD else None
