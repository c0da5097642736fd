"""Units beside numbers: currencies, measures, thousands and millions, hemispheres."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Mapping
from dataclasses import dataclass

NO_UNIT = "no unit"  # the level of cells without a unit, if others have one
MOST_UNITS = 12

# ISO 4217 codes of the most traded currencies (BIS Triennial Survey 2022), and common short forms.
_MONEY = (
    "USD EUR JPY GBP CNY AUD CAD CHF HKD SGD SEK KRW NOK NZD INR MXN TWD ZAR BRL DKK PLN THB ILS IDR CZK AED "
    "TRY HUF CLP SAR PHP MYR COP RUB RON PEN BGN ARS UAH VND EGP NGN PKR BDT KES MAD KZT QAR KWD ISK RMB "
    "Rs RS kr Kr Kč zł Ft Fr Rp RM TL лв руб грн Euro euro Euros euros dollars Dollars"
)
_CURRENCIES = frozenset(_MONEY.split())
_MULTIPLIERS = {
    "k": 1e3, "K": 1e3, "tsd": 1e3, "Tsd": 1e3, "M": 1e6, "m": 1e6, "mn": 1e6, "Mn": 1e6, "mln": 1e6,
    "MM": 1e6, "mio": 1e6, "Mio": 1e6, "million": 1e6, "B": 1e9, "b": 1e9, "bn": 1e9, "Bn": 1e9,
    "mrd": 1e9, "Mrd": 1e9, "billion": 1e9, "T": 1e12, "tn": 1e12, "trillion": 1e12,
    "thousand": 1e3, "lakh": 1e5, "Lakh": 1e5, "L": 1e5, "crore": 1e7, "Crore": 1e7, "cr": 1e7, "Cr": 1e7,
}  # fmt: skip
_AMBIGUOUS = frozenset(("m", "B", "b", "T", "L", "cr", "Cr"))  # also metres, bytes, litres, credits
# By quantity: its base unit, and the size of each unit in it. Month and year are Gregorian averages.
_DAY = 1 / 86_400  # a second
_MEASURES: dict[str, dict[str, float]] = {
    "g": {"g": 1, "mg": 1e-3, "µg": 1e-6, "ug": 1e-6, "kg": 1e3, "t": 1e6, "lb": 453.59237, "lbs": 453.59237,
          "oz": 28.349523125, "gram": 1, "grams": 1},
    "m": {"m": 1, "mm": 1e-3, "cm": 1e-2, "dm": 0.1, "km": 1e3, "µm": 1e-6, "um": 1e-6, "nm": 1e-9,
          "in": 0.0254, "inch": 0.0254, "ft": 0.3048, "feet": 0.3048, "yd": 0.9144, "mi": 1609.344,
          "mile": 1609.344, "miles": 1609.344},
    "l": {"l": 1, "L": 1, "ml": 1e-3, "mL": 1e-3, "cl": 1e-2, "dl": 0.1, "hl": 100, "gal": 3.785411784},
    "m²": {"m²": 1, "m2": 1, "sqm": 1, "cm²": 1e-4, "cm2": 1e-4, "km²": 1e6, "km2": 1e6, "ha": 1e4,
           "acre": 4046.8564224, "acres": 4046.8564224, "sqft": 0.09290304,
           "ft²": 0.09290304, "ft2": 0.09290304},
    "B": {"B": 1, "kB": 1e3, "KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12, "PB": 1e15, "KiB": 2.0**10,
          "MiB": 2.0**20, "GiB": 2.0**30, "TiB": 2.0**40, "bytes": 1, "byte": 1},
    "Wh": {"Wh": 1, "kWh": 1e3, "MWh": 1e6, "GWh": 1e9, "mWh": 1e-3},
    "W": {"W": 1, "kW": 1e3, "MW": 1e6, "GW": 1e9, "mW": 1e-3},
    "Hz": {"Hz": 1, "kHz": 1e3, "MHz": 1e6, "GHz": 1e9},
    "V": {"V": 1, "mV": 1e-3, "kV": 1e3},
    "A": {"A": 1, "mA": 1e-3, "µA": 1e-6},
    "Pa": {"Pa": 1, "hPa": 100, "kPa": 1e3, "MPa": 1e6, "bar": 1e5, "mbar": 100},
    "days": {"ms": _DAY / 1000, "s": _DAY, "sec": _DAY, "secs": _DAY, "second": _DAY, "seconds": _DAY,
             "min": 60 * _DAY, "mins": 60 * _DAY, "minute": 60 * _DAY, "minutes": 60 * _DAY, "h": 1 / 24,
             "hr": 1 / 24, "hrs": 1 / 24, "hour": 1 / 24, "hours": 1 / 24, "d": 1, "day": 1, "days": 1,
             "wk": 7, "week": 7, "weeks": 7, "month": 30.436875, "months": 30.436875, "mo": 30.436875,
             "yr": 365.2425, "yrs": 365.2425, "year": 365.2425, "years": 365.2425},
}  # fmt: skip
_ORDINALS = frozenset(("st", "nd", "rd", "th"))
_NORTH_SOUTH = {"N": 1.0, "S": -1.0}
_EAST_WEST = {"E": 1.0, "W": -1.0, "O": -1.0}


@dataclass(frozen=True, order=True)
class Mark:
    """The text around a number.

    Attributes
    ----------
    before, after:
        Without blanks; ``after`` of ``5 km`` is ``km``.
    limit:
        ``<``, ``>`` and the like: the number bounds the value.
    """

    before: str = ""
    after: str = ""
    limit: str = ""

    @property
    def shown(self) -> str:
        """The mark for people: ``$``, ``kg``, ``$ K``."""
        return " ".join(part for part in (self.limit, self.before, self.after) if part) or NO_UNIT


@dataclass(frozen=True)
class Scale:
    """The meaning of a mark: a factor, and the unit of the product."""

    factor: float = 1.0
    unit: str = ""


def scales_of(marks: Collection[Mark]) -> dict[Mark, Scale] | None:
    """The scale of each mark, which makes the numbers comparable; None if a mark cannot be a unit.

    Units of one quantity (``g`` and ``kg``, ``K`` and ``M``, ``N`` and ``S``) are converted into one, others
    are kept. The text before a number must be a currency. The text after it may be any word; but if there are
    several, a single capital is a code (``12A`` and ``7B``), and a slash is a fraction.
    """
    if any(mark.before and not is_currency(mark.before) for mark in marks) or len(marks) > MOST_UNITS:
        return None
    endings = {mark.after for mark in marks}
    if len(endings) == 1:
        (ending,) = endings
        multiplied = _multiplied(ending) if any(mark.before for mark in marks) else None
        factor, unit = multiplied or (1.0, ending)
        return {mark: Scale(factor, _unit(mark, unit)) for mark in marks}
    by_ending: Mapping[str, Scale | None] = (
        _hemispheres(endings)
        or _plurals(endings)
        or _converted(endings)
        or _counted(endings, money=any(mark.before for mark in marks))
        or {ending: _known(ending) for ending in endings}
    )
    scales = {}
    for mark in marks:
        if (scale := by_ending[mark.after]) is None:
            return None
        scales[mark] = Scale(scale.factor, _unit(mark, scale.unit))
    return scales


def is_currency(word: str) -> bool:
    """Return whether a word is the sign, code or abbreviation of a currency: ``$``, ``USD``, ``Rs.``."""
    letters = "".join(sign for sign in word if unicodedata.category(sign) != "Sc")
    if len(letters) < len(word):
        return len(letters) <= 3 and (not letters or letters.isalpha())
    bare = word.rstrip(".")
    return bare in _CURRENCIES or (len(bare) == 3 and bare.islower() and bare.upper() in _CURRENCIES)


def _unit(mark: Mark, unit: str) -> str:
    return " ".join(part for part in (mark.limit, mark.before, unit) if part)


def _hemispheres(endings: Collection[str]) -> dict[str, Scale] | None:
    bare = {ending: ending.lstrip("° ") for ending in endings}
    for signs in (_NORTH_SOUTH, _EAST_WEST):
        if set(bare.values()) <= set(signs):
            return {ending: Scale(signs[letter], "°") for ending, letter in bare.items()}
    return None


def _plurals(endings: Collection[str]) -> dict[str, Scale] | None:
    """Scales of a single word, with and without a plural s or a full stop."""
    stems = {ending.rstrip(".").removesuffix("s") for ending in endings}
    if len(stems) > 1 or len(min(endings, key=len)) < 2:
        return None
    return dict.fromkeys(endings, Scale(1.0, max(endings, key=len)))


def _converted(endings: Collection[str]) -> dict[str, Scale] | None:
    """Scales of units of one quantity."""
    for unit, factors in _MEASURES.items():
        exact = {ending: factors.get(ending.rstrip("."), factors.get(ending.lower())) for ending in endings}
        if all(factor is not None for factor in exact.values()):
            return {ending: Scale(float(factor), unit) for ending, factor in exact.items() if factor}
    return None


def _counted(endings: Collection[str], *, money: bool) -> dict[str, Scale] | None:
    """Scales of thousands, millions and the like, where some numbers may have none."""
    named = {ending for ending in endings if ending}
    plain = named <= {*_MULTIPLIERS} and not named <= _AMBIGUOUS
    if not (money or plain or _all_money(named)):
        return None
    multiplied = {ending: _multiplied(ending) if ending else (1.0, "") for ending in endings}
    scales = {ending: Scale(*pair) for ending, pair in multiplied.items() if pair is not None}
    return scales if len(scales) == len(multiplied) else None


def _all_money(endings: Collection[str]) -> bool:
    """Return whether each ending is a currency, or a multiplier with or without one, such as ``Mio. €``."""
    pairs = [_multiplied(ending) for ending in endings]
    return all(pair is not None for pair in pairs) and any(pair[1] for pair in pairs if pair is not None)


def _multiplied(ending: str) -> tuple[float, str] | None:
    """``Mio. €`` as ``(1e6, "€")``; a currency alone has the factor 1."""
    if not ending or is_currency(ending):
        return 1.0, ending
    for length in range(len(ending), 0, -1):
        head, rest = ending[:length].rstrip(". "), ending[length:].strip(". ")
        if head in _MULTIPLIERS and (not rest or is_currency(rest)):
            return _MULTIPLIERS[head], rest
    return None


def _known(ending: str) -> Scale | None:
    """The scale of a unit that is kept among others; ``1st`` and ``2nd`` are plain numbers."""
    if not ending or ending in _ORDINALS:
        return Scale()
    code = len(ending) == 1 and ending.isupper()
    return None if code or ending.startswith("/") else Scale(1.0, ending)
