"""What the GPU's own driver says of it: how busy it is. Needs nvidia-ml-py; says nothing where there is none."""

import math
import threading
from contextlib import suppress
from typing import Any

INTERVAL_S = 0.05


def _nvml():
    """Returns NVIDIA's management library, started, or None."""
    with suppress(Exception):  # no package, no driver, no permission: each says so in its own way
        import pynvml

        pynvml.nvmlInit()
        return pynvml if pynvml.nvmlDeviceGetCount() else None


class Monitor:
    """Reads the first GPU's utilisation while it is entered; may be entered again, and then goes on.

    Utilisation is the share of a driver's sample, a sixth of a second to a second long, in which at least one
    kernel ran. It is not how well they used the GPU: short kernels with gaps between them can look like a busy one.
    Source: https://docs.nvidia.com/deploy/nvml-api/structnvmlUtilization__t.html
    """

    def __init__(self, *, library: Any = None, interval_s: float = INTERVAL_S):
        """Takes the library (None: NVIDIA's, where it is), and seconds between readings."""
        self.library = library or _nvml()
        self.interval_s = interval_s
        self.readings: list[int] = []

    def __enter__(self) -> "Monitor":
        """Starts reading."""
        if self.library is not None:
            self._stopped = threading.Event()
            self._thread = threading.Thread(target=self._read, daemon=True)
            self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        """Stops reading."""
        if self.library is not None:
            self._stopped.set()
            self._thread.join()

    def _read(self):
        with suppress(Exception):  # a driver that does not tell (as in some virtual GPUs) is no reason to fail
            handle = self.library.nvmlDeviceGetHandleByIndex(0)
            while True:
                self.readings.append(self.library.nvmlDeviceGetUtilizationRates(handle).gpu)
                if self._stopped.wait(self.interval_s):
                    return

    @property
    def busy_share(self) -> float:
        """Mean of the readings as a share, 0 to 1; NaN where there were none."""
        return sum(self.readings) / len(self.readings) / 100 if self.readings else math.nan
