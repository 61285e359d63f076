"""Import this, and Keras loads saved models that hold what this package adds to Keras.

Keras finds the classes of other packages by their registration, which happens when their
module is imported. This imports the modules of all layers, losses, networks and optimizers, so that
`keras.saving.load_model`, in its safe mode, needs no `custom_objects`.
"""

import importlib
import pkgutil

from asdkeras import layers, losses, networks, optimizers

for _package in (layers, losses, networks, optimizers):
    for _module in pkgutil.iter_modules(_package.__path__):
        importlib.import_module(f"{_package.__name__}.{_module.name}")
