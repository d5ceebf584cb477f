"""The optional installation this classifier needs.

Belongs here: saying what is missing. Does not: anything that needs it.
"""

import importlib.util

from coupang_assets.errors import CoupangAssetsError

_PACKAGES = ("torch", "transformers", "safetensors", "tokenizers", "onnx", "onnxruntime")


def require_extra() -> None:
    """Do nothing where the extra is installed.

    Raises:
        CoupangAssetsError: a package is missing; what to install.
    """
    missing = [name for name in _PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise CoupangAssetsError(
            f"The e5 classifier needs packages that are not installed: {', '.join(missing)}.",
            "Install the extra: pip install 'coupang-assets[e5]'",
        )
