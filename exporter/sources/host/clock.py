"""Whether the kernel's clock is kept right by somebody: adjtimex(2), asked without setting anything.

struct timex { unsigned modes; long offset, freq, maxerror, esterror; int status; ... }

chrony tells the kernel only with `rtcsync` in its configuration, as distributions ship it.
"""

from __future__ import annotations

import ctypes

_STA_UNSYNC = 0x0040


class _Timex(ctypes.Structure):
    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_byte * 256),  # the kernel writes 208 bytes in all
    )


def kernel_clock_is_synchronised() -> bool | None:
    """Whether some time service has said that the clock is right; None when the kernel does not tell."""
    timex = _Timex()
    try:
        state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(timex))
    except (OSError, AttributeError):
        return None
    return None if state < 0 else not timex.status & _STA_UNSYNC
