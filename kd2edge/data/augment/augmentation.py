"""What an augmentation is."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
import numpy.typing as npt

from kd2edge.data.augment.chance import Chance

#: ``[row, channel, height, width]``.
Images = npt.NDArray[np.uint8]


class Augmentation(ABC):
    """Changes pictures by chance that depends on row and view alone."""

    @abstractmethod
    def apply(self, images: Images, chance: Chance) -> Images:
        """Changed copies ``[row, channel, height, width]`` of ``images``, of the same size."""
