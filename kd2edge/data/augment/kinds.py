"""The fixed table of augmentations."""

from __future__ import annotations

from collections.abc import Callable

from kd2edge.data.augment.augmentation import Augmentation
from kd2edge.data.augment.crop import Crop
from kd2edge.data.augment.erase import Erase
from kd2edge.data.augment.flip import Flip
from kd2edge.data.augment.shift import Shift

#: Name in recipes -> augmentation, called with the recipe's options.
AUGMENTATIONS: dict[str, Callable[..., Augmentation]] = {
    "crop": Crop,
    "erase": Erase,
    "flip": Flip,
    "shift": Shift,
}
