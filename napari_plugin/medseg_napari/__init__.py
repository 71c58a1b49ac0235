"""The napari plugin of medseg."""

import sys

# Once Mesa draws with LLVM (software rendering, AMD cards), loading triton, which holds another LLVM, ends Python with
# a segmentation fault. torch asks for it on import and does without; nothing in the plugin compiles networks.
sys.modules.setdefault("triton", None)  # type: ignore[arg-type]
