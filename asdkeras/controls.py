"""Controls: runs in which nothing was learned, which a system that learns must beat.

There are two kinds: the runs of a system without a network, and those of any system whose networks
stay as they start (`--untrained`).
"""

from typing import Final

SPECTRA: Final = "controls2026"
"""The system without a network: spectra of clips, and the nearest normal one."""
