"""Folders of images: parts of a split, formats, links."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from driving import IMAGES, Case, Expectation, Run, both, expectation_wrong, guarded, picture, pictures
from PIL import features


def images_wrong(
    run: Run,
    data: str,
    colours: Mapping[str, str],
    refusal: tuple[str, ...] | None,
    seed: int,
    at_least: float = 0.8,
) -> list[str]:
    """A search of a folder has these classes, by their colour, or is refused with these words."""
    want = Expectation(data, None, quick=IMAGES, classes=frozenset(colours), refusal=refusal)
    complaints = expectation_wrong(run, want)
    if complaints or run.searched(data).code == 3:
        return complaints
    r = np.random.default_rng(seed)
    fresh = run.folder / f"fresh-{want.name}"
    for label, colour in colours.items():
        pictures(fresh, r, colour, 4, "jpg", 100 * list(colours).index(label))
    done, got = run.predict_files(want.name, fresh.name)
    truth = {f"{100 * k + i:03d}.jpg": label for k, label in enumerate(colours) for i in range(4)}
    right = sum(truth.get(Path(path).name) == label for path, label in got.items())
    if done.code or right < at_least * len(truth):
        return [f"{data}: {right} of {len(truth)} new pictures are right, predict {done.code}"]
    return []


LAYOUT_REFUSED = (r"class|part|layout|folder",)


SCENES = {"buildings": "red", "forest": "green", "sea": "blue"}


FRUIT = {"ripe": "green", "rotten": "red"}


LEAVES = {"healthy": "green", "rust": "yellow"}


PETS = {"cat": "red", "dog": "blue"}


STRIPS = {"control": "yellow", "test": "blue"}


TRANSPORT = {"bus": "red", "train": "blue", "tram": "green"}


def make_intel(folder: Path) -> None:
    r = np.random.default_rng(111)
    for label, colour in SCENES.items():
        pictures(folder / "scenes/seg_train/seg_train" / label, r, colour, 11)
        pictures(folder / "scenes/seg_test/seg_test" / label, r, colour, 4)
    pictures(folder / "scenes/seg_pred/seg_pred", r, "blue", 6)
    for label, colour in FRUIT.items():
        pictures(folder / "harvest/batch_a" / label, r, colour, 12)
        pictures(folder / "harvest/batch_b" / label, r, colour, 8)


def make_capital_parts(folder: Path) -> None:
    r = np.random.default_rng(112)
    for label, colour in LEAVES.items():
        for part, count in (("Train", 14), ("Validation", 5), ("Holdout", 5)):
            pictures(folder / "leaves" / part / label, r, colour, count)
    for label, colour in PETS.items():
        for i in range(14):
            where = folder / "kaggle/train"
            where.mkdir(parents=True, exist_ok=True)
            picture(r, colour).save(where / f"{label}.{i}.jpg")
        pictures(folder / "animals/train" / label, r, colour, 14)
    pictures(folder / "kaggle/test1", r, "red", 10)
    pictures(folder / "animals/test1", r, "blue", 8)


def make_harmless(folder: Path) -> None:
    r = np.random.default_rng(113)
    for label, colour in STRIPS.items():
        pictures(folder / "strips" / label, r, colour, 15)
    for label, colour in TRANSPORT.items():
        pictures(folder / "transport" / label, r, colour, 12)


FORMATS = {"webp": "WEBP", "WEBP": "WEBP", "jfif": "JPEG", "jpe": "JPEG", "avif": "AVIF", "jpg": "JPEG"}


CROCKERY = {"cup": "red", "plate": "blue"}


def make_formats(folder: Path) -> None:
    r = np.random.default_rng(125)
    usable = {suffix: form for suffix, form in FORMATS.items() if form != "AVIF" or features.check("avif")}
    for label, colour in CROCKERY.items():
        for where, count in (("kitchen", 18), ("unsorted", 6)):
            at = folder / where / label
            at.mkdir(parents=True)
            for i in range(count):
                suffix, form = list(usable.items())[i % len(usable)]
                picture(r, colour).save(at / f"{i:02d}.{suffix}", format=form)
        for i in range(2):  # as phones write them: the head of an HEIC file, which needs a reader of its own
            head = b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic"
            (folder / "kitchen" / label / f"IMG_{i:04d}.heic").write_bytes(head + r.bytes(900))
    for label, colour, suffix in (("cup", "red", "jpg"), ("plate", "blue", "webp")):
        at = folder / "uneven" / label
        at.mkdir(parents=True)
        for i in range(13):
            picture(r, colour).save(at / f"{i:02d}.{suffix}", format=FORMATS[suffix])
    if "avif" in usable:
        at = folder / "uneven" / "bowl"
        at.mkdir()
        for i in range(13):
            picture(r, "green").save(at / f"{i:02d}.avif")


def judge_formats(run: Run) -> list[str]:
    done = run.search("kitchen", None, quick=IMAGES, name="kitchen")
    if done.code:
        return [f"kitchen: search ended with {done.code}: {done.err.strip()[-200:]}"]
    complaints = [] if done.says("heic") else ["kitchen: the .heic files that are left out are not named"]
    used = max((int(count) for count in re.findall(r"(\d+) (?:images|pictures)", done.text)), default=36)
    unnamed = [suffix for suffix in ("jfif", "jpe", "avif", "webp") if not done.says(rf"\b{suffix}\b")]
    if used < 36 and unnamed:
        complaints.append(f"kitchen: {used} of 36 pictures are used, {unnamed} not named")
    predicted, got = run.predict_files("kitchen", "unsorted")
    lacking = {path.name for path in (run.folder / "unsorted").rglob("*.*")} - {Path(p).name for p in got}
    silent = [p for p in sorted(lacking) if not predicted.says(p.rsplit(".", 1)[1])]
    if (
        predicted.code not in (0, 3)
        or silent
        or (predicted.code == 3 and not predicted.says("avif|jfif|jpe|webp"))
    ):
        complaints.append(
            f"unsorted: predict ended with {predicted.code}, {silent} have no answer and are not named"
        )
    if any(Path(path).parent.name not in ("", label) for path, label in got.items()):
        complaints.append("unsorted: cups and plates of clear colours are mixed up")
    there = {path.name for path in (run.folder / "uneven").iterdir()}
    uneven = run.search("uneven", None, quick=IMAGES, name="uneven")
    if uneven.code == 0:
        found = set(run.classes("uneven") or ())
        if found != there and not uneven.says("avif"):
            complaints.append(f"uneven: classes {sorted(found)}, there are {sorted(there)}")
    elif uneven.code != 3 or not uneven.says("avif|webp"):
        complaints.append(f"uneven: ended with {uneven.code} without naming the format")
    return complaints


BARN = {"goat": "green", "hen": "red"}


def make_links(folder: Path) -> None:
    r = np.random.default_rng(126)
    for label, colour in BARN.items():
        pictures(folder / "store" / "barn" / label, r, colour, 14, "png")
        (folder / "farm").mkdir(exist_ok=True)
        (folder / "farm" / label).symlink_to(Path("..") / "store" / "barn" / label)
        hidden = folder / "annex" / ".objects"
        hidden.mkdir(parents=True, exist_ok=True)
        (folder / "annex" / label).mkdir()
        for i in range(14):
            held = hidden / f"{label}{i:02d}.png"
            picture(r, colour).save(held)
            (folder / "annex" / label / f"{i:02d}.png").symlink_to(Path("..") / ".objects" / held.name)
        for i in range(3):  # content that was never fetched
            (folder / "annex" / label / f"absent{i}.png").symlink_to(Path("..") / ".objects" / f"none{i}.png")
        (folder / "hard" / label).mkdir(parents=True)
        for file in (folder / "store" / "barn" / label).iterdir():
            (folder / "hard" / label / file.name).hardlink_to(file)
    (folder / "current").symlink_to(Path("store") / "barn")


def judge_links(run: Run) -> list[str]:
    complaints = guarded(images_wrong, run, "farm", BARN, (r"\blinks?\b",), 1)
    complaints += guarded(images_wrong, run, "annex", BARN, (r"\blinks?\b",), 2)
    complaints += guarded(images_wrong, run, "hard", BARN, None, 3)
    return complaints + guarded(images_wrong, run, "current", BARN, (r"\blinks?\b",), 4)


CASES: tuple[Case, ...] = (
    Case(
        "nested-parts",
        "A5",
        "seg_train/seg_train/CLASS beside seg_test and seg_pred; two batches with the same classes below.",
        make_intel,
        both(
            lambda run: images_wrong(run, "scenes", SCENES, LAYOUT_REFUSED, 11),
            lambda run: images_wrong(run, "harvest", FRUIT, LAYOUT_REFUSED, 12),
        ),
    ),
    Case(
        "capital-parts",
        "A5",
        "Train, Validation and Holdout; Kaggle's train/cat.0.jpg and test1; train/CLASS and a bare test1.",
        make_capital_parts,
        both(
            lambda run: images_wrong(run, "leaves", LEAVES, LAYOUT_REFUSED, 13),
            lambda run: images_wrong(run, "kaggle", PETS, LAYOUT_REFUSED, 14),
            lambda run: images_wrong(run, "animals", PETS, LAYOUT_REFUSED, 15),
        ),
    ),
    Case(
        "harmless-names",
        "A5",
        "Strips of the classes control and test; pictures of a bus, a train and a tram: these are classes.",
        make_harmless,
        both(
            lambda run: images_wrong(run, "strips", STRIPS, None, 16),
            lambda run: images_wrong(run, "transport", TRANSPORT, None, 17),
        ),
    ),
    Case(
        "formats",
        "B10",
        "webp, WEBP, jfif, jpe, avif and heic in one folder; a class of avif files only.",
        make_formats,
        judge_formats,
    ),
    Case(
        "links",
        "B11",
        "Linked class folders, links into a hidden folder, some of them broken, hard links, a linked root.",
        make_links,
        judge_links,
    ),
)
