from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from kd2edge.errors import UsageError
from kd2edge.nets import ModelSpec, Net, build_net
from kd2edge.student import svd_embeddings
from nets.tiny import LEFT, MODELS, TEXT, make_net

KEPT = np.array([0, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37])


def _student(embedding: int, hidden: int = 12, words: int = len(KEPT), seed: int = 3) -> Net:
    config = {
        "model_type": "electra",
        "embedding_size": embedding,
        "hidden_size": hidden,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 8,
        "max_position_embeddings": 20,
    }
    return build_net(
        ModelSpec("transformers", config, pooling="mean"),
        [TEXT],
        [LEFT],
        vocabulary=words,
        seed=seed,
    )


def _words(net: Net) -> torch.Tensor:
    return net.embeddings()["word"].weight.detach()


def _project(net: Net) -> Any:
    backbone: Any = net.backbone
    return backbone.embeddings_project


def test_the_table_is_the_best_one_of_its_width() -> None:
    teacher, student = make_net("bert"), _student(4)
    mapped = svd_embeddings(student, teacher, KEPT)
    words = _words(teacher)[torch.as_tensor(KEPT)]
    ours = _words(student)
    values = torch.linalg.svdvals(words)
    # Gram matrices agree as well as any of rank 4 can.
    error = torch.linalg.matrix_norm(words @ words.T - ours @ ours.T)
    torch.testing.assert_close(error, values[4:].pow(4).sum().sqrt(), atol=1e-6, rtol=1e-3)
    share = float(values[:4].square().sum() / values.square().sum())
    assert mapped.explained == pytest.approx(share, abs=1e-5)


def test_words_positions_types_and_casing_go_through_one_map() -> None:
    teacher, student = make_net("bert"), _student(4)
    torch.nn.init.normal_(teacher.embeddings()["casing"].weight)
    fresh = student.embeddings()["position"].weight.detach().clone()
    mapped = svd_embeddings(student, teacher, KEPT)
    assert set(mapped.parts) == {"word", "position", "type", "casing"}
    words = _words(teacher)[torch.as_tensor(KEPT)]
    basis = torch.linalg.lstsq(words, _words(student)).solution  # [16, 4], from 12 words
    # On what the words span, the other tables follow the same map.
    span = words.T @ torch.linalg.pinv(words.T)
    for role in ("position", "type", "casing"):
        theirs = teacher.embeddings()[role].weight.detach()
        ours = student.embeddings()[role].weight.detach()[: len(theirs)]
        torch.testing.assert_close(ours, theirs @ span @ basis, atol=1e-4, rtol=0)
    # The student has 20 positions, the teacher 16: the others stay fresh.
    assert torch.equal(student.embeddings()["position"].weight[16:], fresh[16:])


def test_equal_widths_copy_the_rows_as_they_are() -> None:
    teacher, student = make_net("bert"), _student(16)
    mapped = svd_embeddings(student, teacher, KEPT)
    assert torch.equal(_words(student), _words(teacher)[torch.as_tensor(KEPT)])
    assert mapped.explained == pytest.approx(1.0)


def test_a_projection_to_the_teachers_width_starts_as_the_way_back() -> None:
    teacher, student = make_net("bert"), _student(12, hidden=16)
    mapped = svd_embeddings(student, teacher, KEPT)
    assert "embeddings_project" in mapped.parts
    back = _project(student)(_words(student))
    # 12 words span at most 12 directions: nothing is lost on them.
    torch.testing.assert_close(back, _words(teacher)[torch.as_tensor(KEPT)], atol=1e-5, rtol=0)


@pytest.mark.parametrize("family", ["static", "conv"])
def test_nets_of_our_own_start_from_the_same_table(family: str) -> None:
    shape = {
        **MODELS[family].config,
        "embedding": 12,
        **({"width": 16} if family == "conv" else {}),
    }
    model = replace(MODELS[family], config=shape)
    student = build_net(model, [TEXT], [LEFT], vocabulary=len(KEPT), seed=3)
    mapped = svd_embeddings(student, make_net("bert"), KEPT)
    theirs = _words(make_net("bert"))[torch.as_tensor(KEPT)]
    # 12 words span at most 12 directions: their products are kept.
    torch.testing.assert_close(_words(student) @ _words(student).T, theirs @ theirs.T)
    assert ("embeddings_project" in mapped.parts) == (family == "conv")
    assert {"word", "casing"} <= set(mapped.parts)


def test_a_projection_to_another_width_stays_fresh() -> None:
    student = _student(4)
    before = _project(student).weight.detach().clone()
    assert "embeddings_project" not in svd_embeddings(student, make_net("bert"), KEPT).parts
    assert torch.equal(_project(student).weight, before)


def test_it_is_the_same_each_time_and_leaves_the_teacher_alone() -> None:
    teacher = make_net("bert")
    before = _words(teacher).clone()
    one, two = _student(4, seed=1), _student(4, seed=2)
    svd_embeddings(one, teacher, KEPT)
    svd_embeddings(two, teacher, KEPT)
    assert torch.equal(_words(one), _words(two))
    assert torch.equal(_words(teacher), before)


def test_without_kept_ids_the_vocabularies_are_the_same() -> None:
    teacher, student = make_net("bert"), _student(4, words=40)
    svd_embeddings(student, teacher)
    assert _words(student).shape == (40, 4)


@pytest.mark.parametrize(
    ("student", "kept", "message"),
    [
        (lambda: _student(17), KEPT, "wider"),
        (lambda: _student(4), KEPT[:5], "5 of the teacher's"),
        (lambda: _student(4), None, "40 of the teacher's"),
        (lambda: _student(4), KEPT + 5, "0..39"),
        (lambda: make_net("cnn"), KEPT, "no word embeddings"),
    ],
)
def test_what_does_not_fit_is_refused(student, kept, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        svd_embeddings(student(), make_net("bert"), kept)
