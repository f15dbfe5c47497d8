from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from distill.tiny import DARK, DISTILL, IMAGES, SHAPE, TAG, TOKENS, follow, image_rows, token_rows
from kd2edge.data import Batch, EncodedSplit
from kd2edge.distill import (
    DistillSettings,
    Knowledge,
    Method,
    TeacherOfTask,
    Time,
    knowledge_of,
)
from kd2edge.distill.balance import LossKey
from kd2edge.distill.knowledge import combined
from kd2edge.distill.logits import LOGIT_LOSSES
from kd2edge.distill.logits.kl import kl
from kd2edge.distill.loss import Given, Loss, Need
from kd2edge.distill.objective import Objective
from kd2edge.errors import UsageError
from kd2edge.tasks.spec import MISSING
from kd2edge.teacher import TeacherCache, cache_outputs

NOW = Time(0, 10, 0)


@pytest.fixture
def images(tmp_path: Path) -> EncodedSplit:
    return IMAGES.split(tmp_path, image_rows())


@pytest.fixture
def tokens(tmp_path: Path) -> EncodedSplit:
    return TOKENS.split(tmp_path, token_rows())


@pytest.fixture
def taught_images(images: EncodedSplit, tmp_path: Path) -> Knowledge:
    cache = cache_outputs(IMAGES.net_teacher(), images, tmp_path, tasks=IMAGES.tasks)
    return knowledge_of({"t": cache})


@pytest.fixture
def taught_tokens(tokens: EncodedSplit, tmp_path: Path) -> Knowledge:
    cache = cache_outputs(TOKENS.net_teacher(), tokens, tmp_path, tasks=TOKENS.tasks)
    return knowledge_of({"t": cache})


def outputs_of(batch: Batch, seed: int = 0) -> dict[str, Tensor]:
    """Student logits of tiny images, as leaves."""
    generator = torch.Generator().manual_seed(seed)
    return {
        SHAPE.name: torch.randn(len(batch), 3, generator=generator).requires_grad_(),
        DARK.name: torch.randn(len(batch), 1, generator=generator).requires_grad_(),
    }


def test_terms_are_alpha_and_weight_times_the_two_means(
    images: EncodedSplit, taught_images: Knowledge
) -> None:
    batch = images.batch(np.array([0, 2, 5, 35, 48]))  # the last two have no label at all
    settings = replace(
        DISTILL,
        alpha={SHAPE.name: 0.75, DARK.name: 0.25},
        temperature=2.0,
        weight={SHAPE.name: 1.0, DARK.name: 3.0},
    )
    outputs = outputs_of(batch)
    terms, raw = Objective(IMAGES.tasks, settings, taught_images, 0.0).terms(
        outputs, {}, batch, NOW
    )
    teacher = taught_images.logits(SHAPE.name, batch, 2.0, "softmax")
    soft = kl(outputs[SHAPE.name], teacher, 2.0).mean()
    hard = torch.nn.functional.cross_entropy(
        outputs[SHAPE.name][:3], batch.targets[SHAPE.name]["labels"][:3]
    )
    torch.testing.assert_close(terms[LossKey(SHAPE.name, "kd")], 0.75 * soft)
    torch.testing.assert_close(terms[LossKey(SHAPE.name, "task")], 0.25 * hard)
    torch.testing.assert_close(raw[LossKey(SHAPE.name, "kd")], soft.detach())
    # Rows 2 and 5 lack this label: the mean is over row 0 alone.
    yes = batch.targets[DARK.name]["labels"][:1].float()
    single = torch.nn.functional.binary_cross_entropy_with_logits(outputs[DARK.name][0], yes)
    torch.testing.assert_close(terms[LossKey(DARK.name, "task")], 3 * 0.75 * single)


def test_unlabelled_rows_do_not_thin_out_the_hard_loss(
    images: EncodedSplit, taught_images: Knowledge
) -> None:
    objective = Objective(IMAGES.tasks, replace(DISTILL, alpha=0.5), taught_images, 0.0)
    key = LossKey(SHAPE.name, "task")
    few, many = (images.batch(np.array([0, 1, *rest])) for rest in ([], range(30, 50)))
    outputs = outputs_of(many)
    cut = {name: output[:2] for name, output in outputs.items()}
    alone = objective.terms(cut, {}, few, NOW).terms[key]
    among = objective.terms(outputs, {}, many, NOW).terms[key]
    torch.testing.assert_close(alone, among)


def test_rows_without_a_label_learn_from_the_teacher_alone(
    images: EncodedSplit, taught_images: Knowledge
) -> None:
    batch = images.batch(np.array([30, 31]))
    found = Objective(IMAGES.tasks, DISTILL, taught_images, 0.0).terms(
        outputs_of(batch), {}, batch, NOW
    )
    assert {key.kind for key in found.terms} == {"kd"}


def test_masked_labels_get_no_gradient_but_the_teachers(
    images: EncodedSplit, taught_images: Knowledge
) -> None:
    batch = images.batch(np.array([0, 2]))  # row 2 lacks `dark`
    for settings, reaches in ((replace(DISTILL, alpha=0.0), False), (DISTILL, True)):
        outputs = outputs_of(batch)
        found = Objective(IMAGES.tasks, settings, taught_images, 0.0).terms(outputs, {}, batch, NOW)
        torch.stack(list(found.terms.values())).sum().backward()
        gradient = outputs[DARK.name].grad
        assert gradient is not None
        assert bool(gradient[1] != 0) is reaches
        assert bool(gradient[0] != 0)


def test_alpha_1_and_alpha_0_compute_one_side_only(
    images: EncodedSplit, taught_images: Knowledge
) -> None:
    batch = images.batch(np.arange(4))
    kinds = {
        alpha: {
            key.kind
            for key in Objective(IMAGES.tasks, replace(DISTILL, alpha=alpha), taught_images, 0.0)
            .terms(outputs_of(batch), {}, batch, NOW)
            .terms
        }
        for alpha in (0.0, 1.0)
    }
    assert kinds == {0.0: {"task"}, 1.0: {"kd"}}


def test_a_task_that_nobody_teaches_has_its_hard_loss_whole(
    images: EncodedSplit, tmp_path: Path
) -> None:
    cache = cache_outputs(IMAGES.net_teacher(), images, tmp_path, tasks=(SHAPE,))
    settings = replace(DISTILL, alpha=0.9)
    batch = images.batch(np.arange(4))
    outputs = outputs_of(batch)
    taught = Objective(IMAGES.tasks, settings, knowledge_of({"t": cache}), 0.0)
    plain = Objective(IMAGES.tasks, settings, None, 0.0)
    key = LossKey(DARK.name, "task")
    one, two = (each.terms(outputs, {}, batch, NOW).terms for each in (taught, plain))
    assert torch.equal(one[key], two[key])
    assert LossKey(DARK.name, "kd") not in one


def token_outputs(split: EncodedSplit, batch: Batch) -> dict[str, Tensor]:
    net = TOKENS.net(seed=5).eval()
    return {name: one.detach().requires_grad_() for name, one in net(batch.inputs).items()}


def test_words_count_each_and_words_cut_off_do_not(
    tokens: EncodedSplit, taught_tokens: Knowledge
) -> None:
    batch = tokens.batch(np.arange(len(tokens)))
    words = batch.words["words"]
    assert words.cut
    outputs = token_outputs(tokens, batch)
    terms, _ = Objective(TOKENS.tasks, replace(DISTILL, alpha=0.5), taught_tokens, 0.0).terms(
        outputs, {}, batch, NOW
    )
    seen = words.index >= 0
    student = outputs[TAG.name].flatten(0, 1)[words.index[seen]]
    teacher = taught_tokens.logits(TAG.name, batch, 1.0, "softmax")[seen]
    labels = batch.targets[TAG.name]["labels"]
    expected = kl(student, teacher, 1.0).mean()
    torch.testing.assert_close(terms[LossKey(TAG.name, "kd")], 0.5 * expected)
    labelled = labels[seen] != MISSING
    hard = torch.nn.functional.cross_entropy(student[labelled], labels[seen][labelled])
    torch.testing.assert_close(terms[LossKey(TAG.name, "task")], 0.5 * hard)
    torch.stack(list(terms.values())).sum().backward()
    gradient = outputs[TAG.name].grad
    assert gradient is not None
    assert gradient.isfinite().all()
    # Only first sub-words learn.
    touched = (gradient.flatten(0, 1) != 0).any(dim=1)
    assert set(torch.nonzero(touched).flatten().tolist()) == set(words.index[seen].tolist())


def test_zero_when_the_student_is_the_teacher(
    tokens: EncodedSplit, taught_tokens: Knowledge
) -> None:
    batch = tokens.batch(np.arange(8))
    outputs = TOKENS.net(seed=2, teacher=True).eval()(batch.inputs)
    found = Objective(TOKENS.tasks, replace(DISTILL, temperature=3.0), taught_tokens, 0.0).terms(
        outputs, {}, batch, NOW
    )
    for task in TOKENS.tasks:
        assert found.raw[LossKey(task.name, "kd")].item() < 1e-5  # fp16 in the cache


def test_several_teachers_are_the_mean_of_what_they_say(
    images: EncodedSplit, tmp_path: Path
) -> None:
    caches = [
        cache_outputs(IMAGES.net_teacher(seed=seed), images, tmp_path, tasks=IMAGES.tasks)
        for seed in (2, 3)
    ]
    several = [TeacherOfTask(caches[0], 3.0), TeacherOfTask(caches[1], 1.0)]
    knowledge = Knowledge({}, {SHAPE.name: several, DARK.name: several})
    batch = images.batch(np.arange(5))
    single = [knowledge_of({"t": cache}) for cache in caches]
    for task, soften, activation in (
        (SHAPE.name, lambda x: x.softmax(-1), "softmax"),
        (DARK.name, torch.sigmoid, "sigmoid"),
    ):
        mean = sum(
            weight * soften(one.logits(task, batch, 2.0, activation) / 2)
            for one, weight in zip(single, (0.75, 0.25), strict=True)
        )
        torch.testing.assert_close(soften(knowledge.logits(task, batch, 2.0, activation) / 2), mean)


def test_one_teacher_twice_is_that_teacher() -> None:
    said = torch.randn(4, 3)
    found = combined([said, said], [1.0, 2.0], 1.5, "softmax")
    torch.testing.assert_close(found.log_softmax(-1), said.log_softmax(-1))
    yes = torch.randn(4, 1)
    torch.testing.assert_close(combined([yes, yes], [1.0, 2.0], 1.5, "sigmoid"), yes)
    torch.testing.assert_close(combined([yes, -yes], [3.0, 1.0], 1.5, "none"), yes / 2)


MANY = replace(SHAPE, labels=(*SHAPE.labels, *(f"more {at}" for at in range(300))))


def cut_knowledge(split: EncodedSplit, tmp_path: Path, top_k: int | None = 4) -> TeacherCache:
    teacher = IMAGES.net_teacher(tasks=(MANY,))
    return cache_outputs(teacher, split, tmp_path, tasks=(MANY,), top_k=top_k)


def terms_of(
    cache: TeacherCache, batch: Batch, student: Tensor, loss: Method, temperature: float = 2.0
) -> Tensor:
    settings = replace(DISTILL, alpha=1.0, temperature=temperature, logits=loss)
    objective = Objective((MANY,), settings, knowledge_of({"t": cache}), 0.0)
    return objective.terms({MANY.name: student}, {}, batch, NOW).terms[LossKey(MANY.name, "kd")]


def test_of_many_classes_the_student_is_compared_as_they_were_kept(tmp_path: Path) -> None:
    """By its logits of the teacher's likeliest classes, and of all others together."""
    split = IMAGES.split(tmp_path, image_rows(), tasks=(MANY,))
    cache, batch = cut_knowledge(split, tmp_path), split.batch(np.array([1, 35, 0]))
    student = torch.randn(3, 303, requires_grad=True)
    classes = torch.from_numpy(cache.classes(MANY.name, batch.positions)).long()
    teacher = torch.from_numpy(cache.logits(MANY.name, batch.positions)).float()
    rows = []
    for row, kept in zip(student, classes.tolist(), strict=True):
        others = [at for at in range(303) if at not in kept]
        rows.append(torch.cat([row[kept], row[others].exp().sum().log()[None]]))
    expected = kl(torch.stack(rows), teacher, 2.0).mean()
    found = terms_of(cache, batch, student, DISTILL.logits)
    torch.testing.assert_close(found, expected)
    found.backward()
    assert student.grad is not None
    assert (student.grad != 0).all()


def test_of_many_classes_a_label_is_where_its_class_was_kept(
    tmp_path: Path, record: Callable[[frozenset[Need]], list[Given]]
) -> None:
    split = IMAGES.split(tmp_path, image_rows(), tasks=(MANY,))
    cache, batch = cut_knowledge(split, tmp_path), split.batch(np.arange(40))
    kept = record(frozenset({Need.STUDENT_LOGITS, Need.TARGETS}))
    terms_of(cache, batch, torch.randn(40, 303), DISTILL.logits)
    labels = batch.targets[MANY.name]["labels"].tolist()
    classes = cache.classes(MANY.name, batch.positions).tolist()
    expected = [
        MISSING if label == MISSING else row.index(label) if label in row else 4
        for label, row in zip(labels, classes, strict=True)
    ]
    assert kept[0].target("labels").tolist() == expected
    assert {MISSING, 4} < set(expected)


def test_of_many_classes_the_teacher_itself_is_right(tmp_path: Path) -> None:
    split = IMAGES.split(tmp_path, image_rows(), tasks=(MANY,))
    batch = split.batch(np.arange(8))
    student = IMAGES.net(seed=2, teacher=True, tasks=(MANY,)).eval()(batch.inputs)[MANY.name]
    cache = cut_knowledge(split, tmp_path)
    assert terms_of(cache, batch, student, DISTILL.logits).item() < 1e-5  # fp16 in the cache


def test_of_many_classes_only_one_teacher_can_be_kept_so(tmp_path: Path) -> None:
    split = IMAGES.split(tmp_path, image_rows(), tasks=(MANY,))
    cut, whole = (cut_knowledge(split, tmp_path, top_k) for top_k in (4, None))
    for caches in ({"a": cut, "b": cut}, {"a": whole, "b": cut}):
        with pytest.raises(UsageError, match="each of its 2 teachers has likeliest classes"):
            Objective((MANY,), DISTILL, knowledge_of(caches), 0.0)
    assert Objective((MANY,), DISTILL, knowledge_of({"a": whole, "b": whole}), 0.0)


class Recording(Loss):
    """States what a test asks for and keeps what it was given."""

    def __init__(self, needs: frozenset[Need], kept: list[Given]) -> None:
        super().__init__()
        self.needs = needs
        self._kept = kept

    def forward(self, given: Given) -> Tensor:
        self._kept.append(given)
        return given.need(Need.STUDENT_LOGITS).sum()


@pytest.fixture
def record(monkeypatch: pytest.MonkeyPatch) -> Callable[[frozenset[Need]], list[Given]]:
    def make(needs: frozenset[Need]) -> list[Given]:
        kept: list[Given] = []
        monkeypatch.setitem(LOGIT_LOSSES, "kl", lambda *_, **__: Recording(needs, kept))
        return kept

    return make


def test_a_loss_gets_labels_and_row_ids_when_it_states_them(
    tokens: EncodedSplit,
    taught_tokens: Knowledge,
    record: Callable[[frozenset[Need]], list[Given]],
) -> None:
    batch = tokens.batch(np.array([9, 4, 30]))
    kept = record(frozenset({Need.STUDENT_LOGITS, Need.TARGETS, Need.ROWS}))
    Objective(TOKENS.tasks, DISTILL, taught_tokens, 0.0).terms(
        token_outputs(tokens, batch), {}, batch, NOW
    )
    tag, topic = kept
    assert topic.rows is not None
    assert topic.rows.tolist() == [9, 4, 30]
    assert tag.rows is not None
    assert tag.rows.tolist() == np.repeat([9, 4, 30], batch.words["words"].counts).tolist()
    assert torch.equal(tag.target("labels"), batch.targets[TAG.name]["labels"])


def test_a_loss_on_labels_and_teacher_is_told_which_items_have_a_label(
    images: EncodedSplit,
    tokens: EncodedSplit,
    taught_images: Knowledge,
    taught_tokens: Knowledge,
    record: Callable[[frozenset[Need]], list[Given]],
) -> None:
    kept = record(frozenset({Need.STUDENT_LOGITS, Need.LABELLED}))
    batch = images.batch(np.array([0, 2, 35]))  # 2 lacks `dark`, 35 has no label at all
    Objective(IMAGES.tasks, DISTILL, taught_images, 0.0).terms(outputs_of(batch), {}, batch, NOW)
    assert [given.need(Need.LABELLED).tolist() for given in kept] == [[1, 1, 0], [1, 0, 0]]
    kept.clear()
    batch = tokens.batch(np.arange(len(tokens)))
    Objective(TOKENS.tasks, DISTILL, taught_tokens, 0.0).terms(
        token_outputs(tokens, batch), {}, batch, NOW
    )
    words, rows = (given.need(Need.LABELLED).bool() for given in kept)
    assert torch.equal(
        words, (batch.targets[TAG.name]["labels"] != MISSING) & (batch.words["words"].index >= 0)
    )
    assert rows.tolist() == [at < 24 for at in range(len(tokens))]


def test_what_is_not_stated_is_not_given(
    images: EncodedSplit,
    taught_images: Knowledge,
    record: Callable[[frozenset[Need]], list[Given]],
) -> None:
    batch = images.batch(np.arange(3))
    kept = record(frozenset({Need.STUDENT_LOGITS}))
    Objective(IMAGES.tasks, DISTILL, taught_images, 0.0).terms(outputs_of(batch), {}, batch, NOW)
    assert all(given.targets is None and given.rows is None for given in kept)


def test_a_logit_loss_that_needs_features_is_refused(
    taught_images: Knowledge, record: Callable[[frozenset[Need]], list[Given]]
) -> None:
    record(frozenset({Need.STUDENT_FEATURES}))
    with pytest.raises(UsageError, match="student features"):
        Objective(IMAGES.tasks, DISTILL, taught_images, 0.0)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (replace(DISTILL, logits={SHAPE.name: Method("l2")}), "logits of shape: 'l2'"),
        (replace(DISTILL, balance=Method("pcgrd")), "balance: 'pcgrd'"),
        (replace(DISTILL, features=(follow("stages.1", "stages.0", teacher="u"),)), "teacher 'u'"),
        (
            replace(DISTILL, features=(follow("stages.1", "stages.0"),)),
            "features 'stages.1'",
        ),
    ],
)
def test_what_is_not_there_is_named(
    taught_images: Knowledge, settings: DistillSettings, says: str
) -> None:
    with pytest.raises(UsageError, match=says):
        Objective(IMAGES.tasks, settings, taught_images, 0.0)
