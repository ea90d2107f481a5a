"""Numbers as people read them.  None, where nothing was counted, is a dash."""

NOTHING = "–"
MINUS = "−"
_SIZES = ("B", "kB", "MB", "GB", "TB", "PB")
_BLOCKS = "▁▂▃▄▅▆▇█"


def size(size_bytes: int | None) -> str:
    """Bytes in decimal units.

    >>> size(999), size(1_234_567)
    ('999 B', '1.23 MB')
    """
    if size_bytes is None:
        return NOTHING
    value, unit = float(size_bytes), 0
    while value >= 999.5 and unit < len(_SIZES) - 1:
        value, unit = value / 1000, unit + 1
    digits = 0 if unit == 0 or value >= 99.95 else 1 if value >= 9.995 else 2
    return f"{value:.{digits}f} {_SIZES[unit]}"


def percent(fraction: float | None, digits: int = 2) -> str:
    """A fraction as a percentage.

    >>> percent(0.96117)
    '96.12 %'
    """
    return NOTHING if fraction is None else f"{100 * fraction:.{digits}f} %"


def points(difference: float | None) -> str:
    """A difference of two fractions in percentage points, with its sign.

    >>> points(-0.0123)
    '−1.23 points'
    """
    return NOTHING if difference is None else f"{_signed(100 * difference, 2)} points"


def number(value: float | None) -> str:
    """A loss or another plain number, to four significant digits.

    >>> number(0.0123456), number(1234567.0)
    ('0.01235', '1.235e+06')
    """
    return NOTHING if value is None else f"{value:#.4g}".replace("-", MINUS).rstrip(".")


def signed_number(value: float | None) -> str:
    """A difference of two plain numbers, with its sign."""
    if value is None:
        return NOTHING
    return f"+{number(value)}" if value >= 0 else number(value)


def count(value: int | None) -> str:
    """A count with its thousands parted.

    >>> count(12842)
    '12,842'
    """
    return NOTHING if value is None else f"{value:,}"


def rate(per_s: float | None) -> str:
    """A rate to about three digits: 0.52, 14.3, 1,430."""
    if per_s is None:
        return NOTHING
    digits = 0 if per_s >= 99.95 else 1 if per_s >= 9.995 else 2
    return f"{per_s:,.{digits}f}"


def duration(seconds: float | None) -> str:
    """A time that something took.

    >>> duration(0.0412), duration(12.34), duration(187.2), duration(7620)
    ('41 ms', '12.3 s', '3 min 07 s', '2 h 07 min')
    """
    if seconds is None:
        return NOTHING
    if seconds < 0.9995:
        return f"{1000 * seconds:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def clock(seconds: float | None) -> str:
    """Time left, as a clock shows it.

    >>> clock(74.2), clock(3700)
    ('1:14', '1:01:40')
    """
    if seconds is None:
        return NOTHING
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}:{rest:02d}"
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"


def sparkline(values: list[float], width: int = 30) -> str:
    """Draws the last `width` values as blocks, lowest to highest; all low when they are equal.

    >>> sparkline([0.0, 0.5, 1.0])
    '▁▅█'
    """
    last = values[-width:]
    if not last:
        return ""
    low, span = min(last), max(last) - min(last)
    top = len(_BLOCKS) - 1
    return "".join(_BLOCKS[int((value - low) / span * top + 0.5) if span else 0] for value in last)


def _signed(value: float, digits: int) -> str:
    text = f"{abs(value):.{digits}f}"
    return f"{MINUS if value < 0 and float(text) else '+'}{text}"
