"""Learning a skewed, non-negative target on a logarithmic scale, and the way back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

_HEADROOM = 1.5


@dataclass(frozen=True)
class LogTarget:
    """``log1p`` of a target, whose way back cannot explode.

    Attributes
    ----------
    low, high:
        Bounds of predictions on the logarithmic scale. A model that errs by 3 there would otherwise
        answer with 20 times the truth.
    """

    low: float
    high: float

    @classmethod
    def for_training(cls, target: npt.NDArray[np.floating]) -> LogTarget:
        """Bounds from the training target: its smallest value, and 1.5 times its largest.

        Raises
        ------
        ValueError
            For a target at or below -1, of which no logarithm exists.
        """
        smallest, largest = float(np.min(target)), float(np.max(target))
        if smallest <= -1.0:
            raise ValueError(f"log_target needs a target above -1, its smallest value is {smallest:g}")
        low = np.log1p(smallest / _HEADROOM if smallest > 0 else smallest)
        return cls(float(low), float(np.log1p(largest * _HEADROOM if largest > 0 else largest)))

    def apply(self, target: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
        """The target as it is fitted."""
        return np.log1p(np.asarray(target, dtype=np.float64))

    def restore(self, predictions: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
        """Predictions of the fitted model ``(rows, 1)`` in the target's own unit; NaN stays NaN."""
        return np.expm1(np.clip(np.asarray(predictions, dtype=np.float64), self.low, self.high))
