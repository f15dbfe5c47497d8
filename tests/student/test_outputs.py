"""Tables from a teacher's outputs: against principal components of NumPy's own SVD."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from kd2edge.errors import UsageError
from kd2edge.nets import Net, build_net
from kd2edge.student import output_embeddings, piece_outputs
from nets.tiny import IMAGE, LEFT, MODELS, TEXT, VOCABULARY, make_arrays, make_net

COUNTS = np.arange(VOCABULARY, 0, -1) ** 2
SHARES = COUNTS / COUNTS.sum()


def student_of(family: str = "static", seed: int = 1, **config: Any) -> Net:
    model = MODELS[family]
    model = replace(model, config={**model.config, **config})
    return build_net(model, [TEXT], [LEFT], vocabulary=VOCABULARY, seed=seed)


def vectors_of(width: int = 16) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).normal(2.0, 3.0, (VOCABULARY, width))).float()


def start(net: Net, vectors: torch.Tensor | None = None, weighing: str | None = None) -> Any:
    vectors = vectors_of() if vectors is None else vectors
    return output_embeddings(
        net, make_net("bert"), vectors=vectors, shares=SHARES, weighing=weighing
    )


def table_of(net: Net) -> np.ndarray:
    return net.embeddings()["word"].weight.detach().double().numpy()


def components(vectors: torch.Tensor, width: int) -> np.ndarray:
    """Scores of principal components, each sign free."""
    centred = vectors.double().numpy() - vectors.double().numpy().mean(0)
    left, values, _ = np.linalg.svd(centred, full_matrices=False)
    return left[:, :width] * values[:width]


def test_the_table_is_the_principal_components_in_the_fresh_tables_size() -> None:
    net = student_of()
    size = np.sqrt(np.square(table_of(net)).mean())
    mapped = start(net, weighing="none")
    wanted = components(vectors_of(), 8)
    wanted *= size / np.sqrt(np.square(wanted).mean())
    np.testing.assert_allclose(np.abs(table_of(net)), np.abs(wanted), atol=1e-6)
    whole = np.square(components(vectors_of(), 16)).sum()
    kept = np.square(components(vectors_of(), 8)).sum()
    assert mapped.explained == pytest.approx(kept / whole)
    assert mapped.parts == ("word",)


@pytest.mark.parametrize("family", ["static", "conv", "electra", "bert"])
def test_every_family_with_words_starts_the_same_each_time(family: str) -> None:
    one, two = student_of(family, seed=1), student_of(family, seed=1)
    start(one)
    start(two)
    assert np.array_equal(table_of(one), table_of(two))
    assert not np.array_equal(table_of(one), table_of(student_of(family, seed=1)))
    arrays = make_arrays(family)
    assert torch.equal(one.eval()(arrays)["left"], two.eval()(arrays)["left"])


def test_signs_are_fixed_whatever_the_order_of_the_channels_sign() -> None:
    """A teacher whose outputs are mirrored gives the same table, mirrored at most."""
    one, two = student_of(), student_of()
    start(one)
    start(two, -vectors_of())
    np.testing.assert_allclose(table_of(one), -table_of(two), atol=1e-6)


def test_a_static_nets_learned_weights_start_at_what_the_rows_say() -> None:
    net = student_of()
    plain = student_of()
    start(plain, weighing="none")
    mapped = start(net)
    assert mapped.parts == ("word", "word_weights")
    theta = net.backbone.get_parameter("word_weights.weight").detach().double().numpy()[:, 0]
    np.testing.assert_allclose(1 / (1 + np.exp(-theta)), 1e-3 / (1e-3 + SHARES), rtol=1e-5)
    assert np.array_equal(table_of(net), table_of(plain))


@pytest.mark.parametrize(
    ("net", "weighing"),
    [(lambda: student_of(weighted=False), None), (lambda: student_of("conv"), "sif")],
)
def test_where_no_weights_are_learned_the_rows_are_weighed(net: Any, weighing: str | None) -> None:
    weighed = net()
    start(weighed, weighing=weighing)
    wanted = components(vectors_of(), 8) * (1e-3 / (1e-3 + SHARES))[:, None]
    wanted *= np.sqrt(np.square(table_of(net())).mean() / np.square(wanted).mean())
    np.testing.assert_allclose(np.abs(table_of(weighed)), np.abs(wanted), atol=1e-5)


def test_nets_that_read_words_in_their_places_are_not_weighed_unasked() -> None:
    one, two = student_of("conv"), student_of("conv")
    start(one)
    start(two, weighing="none")
    assert np.array_equal(table_of(one), table_of(two))


def test_a_teacher_that_says_the_same_of_all_pieces_gives_zeros() -> None:
    net = student_of()
    assert start(net, torch.ones(VOCABULARY, 16)).explained == 1.0
    assert not table_of(net).any()


def test_rows_beyond_the_pieces_and_all_other_tables_stay_fresh() -> None:
    net, fresh = student_of("bert"), student_of("bert")
    start(net, vectors_of()[:30])
    np.testing.assert_array_equal(table_of(net)[30:], table_of(fresh)[30:])
    for role in ("position", "type", "casing"):
        assert torch.equal(net.embeddings()[role].weight, fresh.embeddings()[role].weight)


def test_pieces_are_pooled_as_the_teacher_pools() -> None:
    for name in ("bert", "bert-cls", "static"):
        teacher = make_net(name)
        batches = [
            {key: one[rows].numpy() for key, one in make_arrays(name).items()}
            for rows in (slice(0, 2), slice(2, 3))
        ]
        found = piece_outputs(teacher, batches)
        wanted = teacher.features(make_arrays(name)).pooled
        torch.testing.assert_close(found, wanted, atol=1e-6, rtol=0)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(UsageError, match=r"wider \(8\) than the teacher's \(4\)"):
        start(student_of(), vectors_of(4))
    with pytest.raises(UsageError, match="40 rows for 41 pieces"):
        start(student_of(), torch.zeros(VOCABULARY + 1, 16))
    with pytest.raises(UsageError, match="the student .* has no word embeddings"):
        start(build_net(MODELS["cnn"], [IMAGE], [LEFT]))
    with pytest.raises(UsageError, match="the teacher .* has no word embeddings"):
        piece_outputs(make_net("cnn"), [])
