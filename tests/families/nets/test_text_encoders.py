"""Encoders in the hub's layout: what is read, what is refused and why, what they compute."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from small_encoders import LAYERS, POSITIONS, WIDTH, config, tensors, write_encoder
from torch.nn import functional

from automl.core.environment import WEIGHTS_DIR
from automl.core.errors import MissingDependencyError, UsageError
from automl.families.nets.texts.architectures import EncoderShape
from automl.families.nets.texts.encoders import (
    OWN,
    PACKAGED,
    check_folder,
    digest_of,
    folder_of,
    missing_encoders,
    origin_of,
    own_folder,
)
from automl.families.nets.texts.transformer import averaged, load_encoder

TOKENS = torch.tensor([[2, 4, 5, 6, 3], [2, 7, 3, 0, 0]])
SEEN = TOKENS != 0


def plain_bert(folder: Path) -> torch.Tensor:
    """The last states of the first text, written out from the published tensors."""
    state = tensors()
    states = state["embeddings.word_embeddings.weight"][TOKENS[0]]
    states = states + state["embeddings.position_embeddings.weight"][: TOKENS.shape[1]]
    states = states + state["embeddings.token_type_embeddings.weight"][0]
    states = functional.layer_norm(states, (WIDTH,), eps=1e-12)
    for layer in range(LAYERS):

        def dense(name: str, values: torch.Tensor, start: str = f"encoder.layer.{layer}.") -> torch.Tensor:
            return values @ state[f"{start}{name}.weight"].T + state[f"{start}{name}.bias"]

        heads = [
            dense(f"attention.self.{part}", states).view(-1, 2, WIDTH // 2).transpose(0, 1)
            for part in ("query", "key", "value")
        ]
        shares = (heads[0] @ heads[1].transpose(1, 2) / (WIDTH // 2) ** 0.5).softmax(-1)
        mixed = (shares @ heads[2]).transpose(0, 1).reshape(-1, WIDTH)
        states = functional.layer_norm(states + dense("attention.output.dense", mixed), (WIDTH,), eps=1e-12)
        inner = dense("output.dense", functional.gelu(dense("intermediate.dense", states)))
        states = functional.layer_norm(states + inner, (WIDTH,), eps=1e-12)
    return states


def test_an_encoder_computes_what_its_publication_says(tmp_path: Path) -> None:
    encoder = load_encoder(write_encoder(tmp_path / "bert"))
    with torch.inference_mode():
        states = encoder(TOKENS, SEEN)
    torch.testing.assert_close(states[0], plain_bert(tmp_path / "bert"), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("kind", ["bert", "roberta", "distilbert"])
def test_padding_changes_nothing(kind: str, tmp_path: Path) -> None:
    encoder = load_encoder(write_encoder(tmp_path / kind, kind))
    with torch.inference_mode():
        alone = averaged(encoder(TOKENS[1:, :3], None), None)
        padded = averaged(encoder(TOKENS, SEEN), SEEN)[1:]
    torch.testing.assert_close(alone, padded, atol=1e-5, rtol=1e-4)


def test_names_of_early_publications_and_of_whole_models_are_understood(tmp_path: Path) -> None:
    folder = write_encoder(tmp_path / "own")
    plain = load_encoder(folder).state_dict()
    early = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}
    old = {}
    for name, value in tensors().items():
        end = ".".join(name.split(".")[-2:])
        old[f"bert.{name.removesuffix(end)}{early.get(end, end)}"] = value
    save_file({**old, "cls.predictions.bias": torch.zeros(3)}, folder / "model.safetensors")
    again = load_encoder(folder).state_dict()
    assert all(torch.equal(plain[name], again[name]) for name in plain)


def test_weights_in_several_files_are_read_together(tmp_path: Path) -> None:
    folder = write_encoder(tmp_path / "own")
    plain = load_encoder(folder).state_dict()
    state, names = tensors(), sorted(tensors())
    files = {"model-1.safetensors": names[::2], "model-2.safetensors": names[1::2]}
    for file, part in files.items():
        save_file({name: state[name] for name in part}, folder / file)
    index = {"weight_map": {name: file for file, part in files.items() for name in part}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    (folder / "model.safetensors").unlink()
    again = load_encoder(folder).state_dict()
    assert all(torch.equal(plain[name], again[name]) for name in plain)


def refused_folders(tmp_path: Path) -> dict[str, tuple[Path, str]]:
    pickled = write_encoder(tmp_path / "pickled")
    (pickled / "model.safetensors").rename(pickled / "pytorch_model.bin")
    unsplit = write_encoder(tmp_path / "unsplit")
    (unsplit / "tokenizer.json").unlink()
    empty = write_encoder(tmp_path / "empty")
    (empty / "model.safetensors").unlink()
    foreign = write_encoder(tmp_path / "foreign", model_type="t5")
    return {
        "pickled": (pickled, r"pytorch_model\.bin is a pickle, which could run code .* as safetensors"),
        "unsplit": (unsplit, r"has no tokenizer\.json\. Next: save the model's fast tokenizer"),
        "empty": (empty, r"has no model\.safetensors\. Next"),
        "foreign": (foreign, r"architecture 't5'\. Encoders of texts may be of bert, roberta"),
    }


@pytest.mark.parametrize("name", ["pickled", "unsplit", "empty", "foreign"])
def test_a_folder_that_cannot_be_read_is_refused_with_the_reason(name: str, tmp_path: Path) -> None:
    folder, words = refused_folders(tmp_path)[name]
    with pytest.raises(UsageError, match=words):
        check_folder(folder)


def test_weights_of_another_shape_and_broken_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match=r"word_embeddings\.weight should be of shape \(99, 16\), but its shape"
    ):
        load_encoder(write_encoder(tmp_path / "wide", vocab_size=99))
    broken = write_encoder(tmp_path / "broken")
    (broken / "model.safetensors").write_bytes(b"no tensors")
    with pytest.raises(UsageError, match=r"model\.safetensors cannot be read"):
        load_encoder(broken)
    with pytest.raises(UsageError, match="does not state 'hidden_size'"):
        EncoderShape.of(
            {key: value for key, value in config().items() if key != "hidden_size"}, "config.json"
        )
    with pytest.raises(UsageError, match="position_embedding_type 'relative_key' is not supported"):
        EncoderShape.of({**config(), "position_embedding_type": "relative_key"}, "config.json")


def test_the_own_encoder_is_that_of_the_named_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(WEIGHTS_DIR, raising=False)
    assert own_folder() is None
    assert missing_encoders("encoder", [OWN, PACKAGED]) == {OWN: ""}
    assert missing_encoders("tokens", [128]) == {}
    with pytest.raises(MissingDependencyError, match="--weights-dir holds no language model"):
        folder_of(OWN)
    write_encoder(tmp_path / "mine", _name_or_path="me/mine")
    (tmp_path / "mine" / "README.md").write_text("---\nlicense: mit\n---\n")
    for named in (tmp_path, tmp_path / "mine"):  # the folder itself, or the only one in it
        monkeypatch.setenv(WEIGHTS_DIR, str(named))
        assert folder_of(OWN) == tmp_path / "mine"
    origin = origin_of(OWN)
    assert (origin.name, origin.licence) == ("me/mine", "mit")
    write_encoder(tmp_path / "other", seed=1)
    monkeypatch.setenv(WEIGHTS_DIR, str(tmp_path))
    with pytest.raises(UsageError, match="holds 2 language models: mine, other"):
        own_folder()
    assert digest_of(tmp_path / "mine") != digest_of(tmp_path / "other")


def test_positions_that_begin_after_the_padding_shorten_the_longest_input() -> None:
    assert EncoderShape.of(config("roberta"), "").longest == POSITIONS
    assert EncoderShape.of(config("bert"), "").longest == POSITIONS
    unstated = {key: value for key, value in config("roberta").items() if key != "pad_token_id"}
    shape = EncoderShape.of(unstated, "")
    assert (shape.padding, shape.first_position) == (1, 2)


def test_the_installed_encoder_tells_texts_apart(real_encoder: Path) -> None:
    from automl.families.nets.texts.tokens import Cut, Splitter

    origin = origin_of(PACKAGED)
    assert origin.licence == "Apache-2.0"
    assert (real_encoder / "LICENSE").is_file() or (real_encoder.parent / "LICENSE").is_file()
    splitter, encoder = Splitter(real_encoder), load_encoder(real_encoder)
    texts = ["a wonderful film", "a great movie", "the invoice is overdue"]
    means = []
    with torch.inference_mode():
        for (ids,) in splitter.windows(texts, Cut(tokens=32)):
            means.append(averaged(encoder(torch.from_numpy(ids.astype(np.int64))[None], None), None)[0])
    similar = functional.cosine_similarity(means[0], means[1], dim=0)
    assert similar > functional.cosine_similarity(means[0], means[2], dim=0) + 0.2


@pytest.fixture(scope="module")
def real_encoder() -> Path:
    return folder_of(PACKAGED)
