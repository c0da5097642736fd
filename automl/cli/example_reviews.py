"""A made-up data set of short reviews of household appliances, each positive or negative.

Nobody wrote these reviews, and nothing is copied: sentences are put together at random from the clauses
below. Most of a review's clauses agree with its label, some do not; after "but" a clause weighs double; words
that sound bad are often denied ("not nearly as loud as people say"). So single words do not settle the label,
and one in thirty labels is wrong, as in real data.
"""

from __future__ import annotations

import csv
import io
import random

_ROWS = 900
_AGREEING = 0.8  # share of clauses that agree with the label
_WRONG = 1 / 30  # share of labels
_PRODUCTS = (
    ("kettle", 39), ("desk lamp", 45), ("blender", 69), ("vacuum cleaner", 149), ("coffee grinder", 59),
    ("rice cooker", 79), ("sewing machine", 189), ("alarm clock", 25), ("fan heater", 55), ("hair dryer", 35),
    ("toaster", 42), ("hand drill", 95),
)  # fmt: skip
# What may be said for and against a thing; no review holds both.
_TOPICS = (
    ("it does exactly what I wanted", "it stopped working after two weeks"),
    ("it feels solid in the hand", "it feels cheap"),
    ("setting it up took five minutes", "setting it up took a whole afternoon"),
    ("it is not nearly as loud as people say", "it is louder than my old one"),
    ("I have not had a single problem with it", "I have had nothing but trouble with it"),
    ("even my father, who hates gadgets, uses it", "nobody here wants to use it"),
    ("it looks better than in the pictures", "it looks nothing like the pictures"),
    ("it arrived a day early", "it arrived a week late, with a dent"),
    ("the parts fit without any force", "the parts do not fit together"),
    ("it still works like on the first day", "a screw came loose on the second day"),
    ("I would buy it again tomorrow", "I would not buy it again"),
    ("cleaning it does not take long", "cleaning it is a pain"),
    ("you get a lot for the money", "for this price I expected more"),
    ("the manual is short and clear", "the manual makes no sense"),
    ("nothing wobbles, nothing squeaks", "it wobbles whatever you do"),
    ("it never gets too hot to touch", "it gets so hot that I am afraid to leave it on"),
    ("support replaced a scratched part for free", "support never answered my letters"),
    ("my old one cost twice as much and was worse", "my old one was half the price and twice as good"),
    ("it saves me time every morning", "it takes longer than doing it by hand"),
    ("the colour goes well with everything", "the colour is not the one I ordered"),
    ("it takes hardly any space", "it takes up the whole corner"),
    ("the whole family fights over it", "it is good for nothing but collecting dust"),
    ("I was afraid it would be flimsy, and it is not", "I hoped it would be sturdy, and it is not"),
    ("it uses less power than I expected", "it eats power like nothing else in the house"),
    ("the buttons are where you look for them", "the buttons stick"),
    ("I have already ordered a second one", "I have already sent it back"),
    ("it survived a fall from the table", "it broke the first time I dropped it"),
    ("the finish is beautiful", "the finish peels off"),
    ("I cannot find anything to complain about", "I cannot find anything good to say about it"),
    ("it was worth the wait", "it was not worth the wait"),
    ("guests keep asking where I got it", "my neighbour got the same one and threw it out"),
    ("it stays quiet at night", "it hums all night"),
    ("all screws were there, and two to spare", "two screws were missing"),
    ("after three moves it has no scratch", "there are scratches everywhere after a month"),
    ("I did not expect much and was surprised", "I expected a lot and got very little"),
    ("it does not smell of plastic like the last one", "the smell of plastic does not go away"),
)
_PLAIN = (
    "bought this {product} for my sister's new flat",
    "we use the {product} every day",
    "this is my second {product} from this shop",
    "got the {product} as a present",
    "my {product} had given up after ten years",
    "I read a lot of reviews before I chose this {product}",
    "ordered on Monday, came on Thursday",
    "it has its place next to the window",
    "I am no expert",
    "we are a family of four",
    "the box is made of cardboard",
    "it comes in black and in white",
)
_JOINTS = ("but", "however,", "though", "yet")
_LAST_WORDS = {
    True: ("Recommended.", "Happy.", "Five stars.", "Thank you!", "Well done."),
    False: ("Disappointed.", "Never again.", "One star.", "Avoid.", "A pity."),
}


def reviews_csv() -> bytes:
    """The reviews as CSV in UTF-8: product, price, days_used, review, label; the same every time."""
    draw = _Draw(random.Random(1))
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(("product", "price", "days_used", "review", "label"))
    seen: set[str] = set()
    while len(seen) < _ROWS:
        row = _row(draw)
        if row[3] not in seen:
            seen.add(row[3])
            table.writerow(row)
    return text.getvalue().encode("utf-8")


class _Draw:
    """Random choices from ``Random.random`` alone, which is the same in every version of Python."""

    def __init__(self, generator: random.Random) -> None:
        self._generator = generator

    def chance(self, share: float) -> bool:
        """True in this share of all cases."""
        return self._generator.random() < share

    def below(self, count: int) -> int:
        """A whole number from 0, below ``count``."""
        return int(self._generator.random() * count)

    def one(self, values: tuple[str, ...]) -> str:
        """One of the values."""
        return values[self.below(len(values))]


def _row(draw: _Draw) -> tuple[str, str, int, str, str]:
    product, usual = _PRODUCTS[draw.below(len(_PRODUCTS))]
    good = draw.chance(0.55)
    sentences, balance = _sentences(draw, good)
    while balance * (1 if good else -1) <= 0:
        sentences, balance = _sentences(draw, good)
    if draw.chance(0.6):
        sentences.insert(0, draw.one(_PLAIN))
    review = " ".join(f"{text[0].upper()}{text[1:]}." for text in sentences).format(product=product)
    if draw.chance(0.25):
        review += f" {draw.one(_LAST_WORDS[good])}"
    if draw.chance(0.15):
        review = _hasty(draw, review)
    price = usual * (0.8 + 0.05 * draw.below(9))
    days = draw.below(300 if good else 120) + 1  # complaints come sooner
    label = "positive" if good != draw.chance(_WRONG) else "negative"
    return product, f"{price:.2f}", days, review, label


def _sentences(draw: _Draw, good: bool) -> tuple[list[str], int]:
    """One to five sentences, and how much more of them is said for the thing than against it."""
    sentences: list[str] = []
    used: set[int] = set()
    balance = 0
    for _ in range(2 + draw.below(4)):
        praise = draw.chance(_AGREEING) == good
        topic, other = draw.below(len(_TOPICS)), draw.below(len(_TOPICS))
        doubted = draw.chance(0.25)
        if topic == other or used & {topic, other}:
            continue
        used |= {topic, other}
        clause = _TOPICS[topic][not praise]
        if doubted:  # what follows weighs twice, less once for what comes before
            clause = f"{_TOPICS[other][praise]}, {draw.one(_JOINTS)} {clause}"
        sentences.append(clause)
        balance += 1 if praise else -1
    return sentences, balance


def _hasty(draw: _Draw, review: str) -> str:
    """The review without capitals, with two neighbouring letters swapped."""
    place = draw.below(len(review) - 2)
    swapped = f"{review[:place]}{review[place + 1]}{review[place]}{review[place + 2 :]}"
    return swapped.lower().replace(".", "", 1)
