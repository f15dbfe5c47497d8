from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from distill.logits.cases import DEFAULTS
from distill.tiny import (
    DARK,
    DISTILL,
    IMAGES,
    SHAPE,
    TAG,
    TOKENS,
    follow,
    image_rows,
    taught,
    token_rows,
)
from kd2edge.data import Batch, EncodedSplit
from kd2edge.distill import (
    DistillSettings,
    Knowledge,
    LongTailSpec,
    Method,
    Schedule,
    Support,
    Time,
    knowledge_of,
)
from kd2edge.distill.balance import LossKey
from kd2edge.distill.logits import LOGIT_LOSSES
from kd2edge.distill.logits.kl import kl
from kd2edge.distill.loss import Given, Loss, Need
from kd2edge.distill.meter import VALUES
from kd2edge.distill.objective import Objective
from kd2edge.distill.schedule import Value
from kd2edge.distill.schedules.confidence import Confidence
from kd2edge.distill.schedules.correct import Correct
from kd2edge.distill.schedules.curriculum import Curriculum
from kd2edge.distill.schedules.labelled import Labelled
from kd2edge.distill.schedules.linear import Linear
from kd2edge.distill.schedules.progress import Progress
from kd2edge.errors import UsageError
from kd2edge.files import fingerprint
from kd2edge.tasks.spec import MISSING, TaskSpec
from kd2edge.teacher import TeacherCache, cache_outputs
from kd2edge.teacher.joins import Ensemble
from kd2edge.teacher.joins.confidence import Confidence as Confident
from kd2edge.teacher.joins.mean import Mean
from kd2edge.teacher.joins.skill import Skill

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
    teacher = taught(taught_images, SHAPE, batch, 2.0)
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
    objective = Objective(IMAGES.tasks, settings, knowledge_of({"t": cache}), 0.0)
    plain = Objective(IMAGES.tasks, settings, None, 0.0)
    key = LossKey(DARK.name, "task")
    one, two = (each.terms(outputs, {}, batch, NOW).terms for each in (objective, plain))
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
    teacher = taught(taught_tokens, TAG, batch, 1.0)[seen]
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
        assert found.raw[LossKey(task.name, "kd")] < 1e-5  # fp16 in the cache


MEAN, CONFIDENCE = Ensemble(Mean()), Ensemble(Confident())


@pytest.fixture
def caches(images: EncodedSplit, tmp_path: Path) -> dict[str, TeacherCache]:
    return {
        str(seed): cache_outputs(
            IMAGES.net_teacher(seed=seed), images, tmp_path / str(seed), tasks=IMAGES.tasks
        )
        for seed in (2, 3)
    }


def joined(
    caches: Mapping[str, TeacherCache], ensemble: Ensemble = MEAN, tasks: Sequence[TaskSpec] = ()
) -> Knowledge:
    return knowledge_of(caches, {task.name: ensemble for task in tasks or IMAGES.tasks})


def softened(logits: Tensor, task: TaskSpec, temperature: float) -> Tensor:
    soft = logits / temperature
    return soft.softmax(-1) if task is SHAPE else soft.sigmoid()


@pytest.mark.parametrize("task", [SHAPE, DARK], ids=lambda one: one.name)
def test_several_teachers_are_the_mean_of_what_they_say_at_the_temperature_of_the_loss(
    images: EncodedSplit, caches: dict[str, TeacherCache], task: TaskSpec
) -> None:
    batch = images.batch(np.arange(5))
    single = [taught(knowledge_of({"t": cache}), task, batch, 2.0) for cache in caches.values()]
    mean = sum(softened(one, task, 2.0) for one in single) / 2
    found = taught(joined(caches), task, batch, 2.0)
    torch.testing.assert_close(softened(found, task, 2.0), mean)


def test_a_teacher_alone_is_given_to_the_bit_whatever_join_is_stated(
    images: EncodedSplit, taught_images: Knowledge
) -> None:
    batch = images.batch(np.arange(5))
    for ensemble in (MEAN, CONFIDENCE):
        alone = joined(taught_images.caches, ensemble)
        assert not alone.ensembles
        assert alone.fingerprints() == taught_images.fingerprints()
        for temperature in (1.0, 3.0):
            assert torch.equal(
                taught(alone, SHAPE, batch, temperature),
                taught(taught_images, SHAPE, batch, temperature),
            )


def test_the_order_of_teachers_changes_no_bit_and_no_fingerprint(
    images: EncodedSplit, caches: dict[str, TeacherCache]
) -> None:
    batch = images.batch(np.arange(20))
    outputs = outputs_of(batch)
    forth, back = joined(caches), joined(dict(reversed(caches.items())))
    assert fingerprint(forth.fingerprints()) == fingerprint(back.fingerprints())
    terms = [Objective(IMAGES.tasks, DISTILL, one, 0.0) for one in (forth, back)]
    first, second = (one.terms(outputs, {}, batch, NOW).terms for one in terms)
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_another_join_is_another_training(caches: dict[str, TeacherCache]) -> None:
    several = [MEAN, CONFIDENCE, *(Ensemble(Skill(1.0), {"2": at, "3": 0.5}) for at in (0.1, 0.2))]
    found = {fingerprint(joined(caches, one).fingerprints()) for one in several}
    assert len(found) == len(several)


def test_several_teachers_that_nobody_joins_are_refused(caches: dict[str, TeacherCache]) -> None:
    with pytest.raises(UsageError, match="task shape: expected one teacher, .* found 2, 3: state"):
        knowledge_of(caches)


def test_a_join_that_is_not_defined_for_a_task_is_refused(images: EncodedSplit) -> None:
    value = TaskSpec(SHAPE.name, "regression", (), "mae")
    knowledge = Knowledge({}, {value.name: ["a", "b"]}, {value.name: CONFIDENCE})
    with pytest.raises(UsageError, match="join of shape: confidence is defined for tasks that"):
        Objective((value,), DISTILL, knowledge, 0.0)


@pytest.mark.parametrize("ensemble", [MEAN, CONFIDENCE], ids=["mean", "confidence"])
def test_words_are_joined_each_and_those_cut_off_count_for_nothing(
    tokens: EncodedSplit, tmp_path: Path, ensemble: Ensemble
) -> None:
    nets = {str(seed): TOKENS.net_teacher(seed=seed) for seed in (2, 3)}
    found = {
        name: cache_outputs(net, tokens, tmp_path / name, tasks=TOKENS.tasks)
        for name, net in nets.items()
    }
    knowledge, batch = joined(found, ensemble, TOKENS.tasks), tokens.batch(np.arange(8))
    outputs = {name: one.requires_grad_() for name, one in token_outputs(tokens, batch).items()}
    terms = Objective(TOKENS.tasks, replace(DISTILL, alpha=1.0), knowledge, 0.0).terms(
        outputs, {}, batch, NOW
    )
    torch.stack(list(terms.terms.values())).sum().backward()
    for name, one in outputs.items():
        assert one.grad is not None, name
        assert one.grad.isfinite().all()
        assert (one.grad != 0).any()


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


@pytest.mark.parametrize("temperature", [1.0, 2.0, 2.7, 4.0, 8.0])
def test_of_many_classes_the_student_is_compared_as_they_were_kept(
    tmp_path: Path, temperature: float
) -> None:
    """By its chances of the teacher's likeliest classes, and of all others together, at T."""
    split = IMAGES.split(tmp_path, image_rows(), tasks=(MANY,))
    batch = split.batch(np.array([1, 35, 0]))
    cut, whole = (cut_knowledge(split, tmp_path, top_k) for top_k in (4, None))
    student = 3 * torch.randn(3, 303, generator=torch.Generator().manual_seed(0))
    student.requires_grad_()
    classes = cut.classes(MANY.name, batch.positions).astype(np.int64)
    sides = []
    for logits in (whole.logits(MANY.name, batch.positions), student.detach().numpy()):
        soft = np.exp(logits.astype(np.float64) / temperature)
        soft /= soft.sum(1, keepdims=True)
        own = np.take_along_axis(soft, classes, axis=1)
        sides.append(np.concatenate([own, 1 - own.sum(1, keepdims=True)], axis=1))
    expected = temperature**2 * (sides[0] * np.log(sides[0] / sides[1])).sum(1).mean()
    found = terms_of(cut, batch, student, DISTILL.logits, temperature)
    assert found.item() == pytest.approx(expected, rel=0.01, abs=1e-3)
    found.backward()
    assert student.grad is not None
    assert (student.grad != 0).all()


def test_of_many_classes_a_label_is_always_among_those_that_are_compared(
    tmp_path: Path, record: Callable[[frozenset[Need]], list[Given]]
) -> None:
    split = IMAGES.split(tmp_path, image_rows(), tasks=(MANY,))
    cache, batch = cut_knowledge(split, tmp_path), split.batch(np.arange(40))
    kept = record(frozenset({Need.STUDENT_LOGITS, Need.TARGETS}))
    terms_of(cache, batch, torch.randn(40, 303), DISTILL.logits)
    labels = batch.targets[MANY.name]["labels"].tolist()
    classes = cache.classes(MANY.name, batch.positions).tolist()
    expected = [
        MISSING if label == MISSING else row.index(label) if label in row else 3
        for label, row in zip(labels, classes, strict=True)
    ]
    assert kept[0].cut
    assert kept[0].target("labels").tolist() == expected
    assert any(label not in [*row, MISSING] for label, row in zip(labels, classes, strict=True))
    assert MISSING in expected


@pytest.mark.parametrize("temperature", [1.0, 2.0, 2.7, 4.0, 8.0])
def test_of_many_classes_the_teacher_itself_is_right(tmp_path: Path, temperature: float) -> None:
    split = IMAGES.split(tmp_path, image_rows(), tasks=(MANY,))
    batch = split.batch(np.arange(8))
    student = IMAGES.net(seed=2, teacher=True, tasks=(MANY,)).eval()(batch.inputs)[MANY.name]
    cache = cut_knowledge(split, tmp_path)
    found = terms_of(cache, batch, student, DISTILL.logits, temperature)
    assert found.item() < 1e-4  # fp16 in the cache


@pytest.mark.parametrize("temperature", [1.0, 2.0, 4.0])
def test_of_many_classes_dkd_is_that_of_all_of_them_put_together(
    tmp_path: Path, temperature: float
) -> None:
    """TCKD of the label, also of one that was not kept, and NCKD among the others, by NumPy.

    What the teacher thinks of a label that it did not keep is taken for an even part of the ghost.
    """
    split = IMAGES.split(tmp_path, image_rows(), tasks=(MANY,))
    batch = split.batch(np.arange(40))
    cut, whole = (cut_knowledge(split, tmp_path, top_k) for top_k in (4, None))
    student = 3 * torch.randn(40, 303, generator=torch.Generator().manual_seed(0))
    labels = batch.targets[MANY.name]["labels"].tolist()
    expected, hidden = [], 0
    for at, (label, row) in enumerate(
        zip(labels, cut.classes(MANY.name, batch.positions).tolist(), strict=True)
    ):
        soft = []
        for logits in (whole.logits(MANY.name, batch.positions)[at], student[at].numpy()):
            raised = np.exp(np.asarray(logits, np.float64) / temperature)
            soft.append(raised / raised.sum())
        right, kept = (row[0] if label == MISSING else label), row
        if right not in row:
            hidden += 1
            kept = [*row[:-1], right]
            ghost = 1 - soft[0][row].sum()
            soft[0][right] = ghost / 299  # what is taken out of it, or put in, is in the rest
        few = [np.append(one[kept], 1 - one[kept].sum()) for one in soft]
        place = kept.index(right)
        two = [np.array([one[place], 1 - one[place]]) for one in few]
        rest = [np.delete(one, place) / (1 - one[place]) for one in few]
        parts = [(p * np.log(p / q)).sum() for p, q in (two, rest)]
        expected.append(temperature**2 * (parts[0] + 8 * parts[1]))
    assert hidden > 5
    loss = Method("dkd", {"alpha": 1.0, "beta": 8.0, "standardise": False})
    found = terms_of(cut, batch, student, loss, temperature)
    assert found.item() == pytest.approx(np.mean(expected), rel=0.01)


def test_of_many_classes_a_learned_temperature_has_its_gradient(tmp_path: Path) -> None:
    """That of the loss at a constant temperature, by central differences: larger is harder."""
    split = IMAGES.split(tmp_path, image_rows(), tasks=(MANY,))
    cut, batch = cut_knowledge(split, tmp_path), split.batch(np.arange(8))
    student = 3 * torch.randn(8, 303, generator=torch.Generator().manual_seed(0))
    curriculum = Curriculum(2.7, 1.0, 8.0, strength=1.0, rising=0.0)
    settings = replace(DISTILL, alpha=1.0, temperature=curriculum, logits=DISTILL.logits)
    objective = Objective((MANY,), settings, knowledge_of({"t": cut}), 0.0)
    (learned,) = objective.learned.values()
    terms = objective.terms({MANY.name: student}, {}, batch, NOW).terms
    (found,) = torch.autograd.grad(terms[LossKey(MANY.name, "kd")], learned)
    ends = [
        terms_of(cut, batch, student, DISTILL.logits, temperature).item()
        for temperature in (2.65, 2.75)
    ]
    share = (2.7 - 1.0) / 7.0
    wanted = -(ends[1] - ends[0]) / 0.1 * 7.0 * share * (1 - share)  # reversed
    assert found.item() == pytest.approx(wanted, rel=0.01, abs=1e-3)


@pytest.mark.parametrize("ensemble", [MEAN, CONFIDENCE], ids=["mean", "confidence"])
def test_of_many_classes_the_same_teacher_cut_twice_teaches_as_it_does_alone(
    tmp_path: Path, ensemble: Ensemble
) -> None:
    split = IMAGES.split(tmp_path, image_rows(), tasks=(MANY,))
    cut, batch = cut_knowledge(split, tmp_path), split.batch(np.arange(8))
    student = torch.randn(8, 303, generator=torch.Generator().manual_seed(0))
    settings = replace(DISTILL, alpha=1.0, temperature=2.0)
    knowledge = joined({"a": cut, "b": cut}, ensemble, (MANY,))
    twice = Objective((MANY,), settings, knowledge, 0.0)
    found = twice.terms({MANY.name: student}, {}, batch, NOW).terms[LossKey(MANY.name, "kd")]
    torch.testing.assert_close(found, terms_of(cut, batch, student, DISTILL.logits))


def test_of_many_classes_one_teacher_may_be_cut_and_another_whole(tmp_path: Path) -> None:
    split = IMAGES.split(tmp_path, image_rows(), tasks=(MANY,))
    cut, whole = (cut_knowledge(split, tmp_path, top_k) for top_k in (4, None))
    knowledge = joined({"a": cut, "b": whole}, MEAN, (MANY,))
    assert knowledge.is_cut(MANY.name, MANY.name)
    ranked = replace(DISTILL, logits=Method("dist", {"beta": 1.0, "gamma": 1.0}))
    with pytest.raises(UsageError, match="top_k to null"):
        Objective((MANY,), ranked, knowledge, 0.0)
    batch = split.batch(np.arange(40))
    student = torch.randn(40, 303, requires_grad=True)
    settings = replace(DISTILL, alpha=Confidence(0.0, 1.0, "probability"))
    terms = Objective((MANY,), settings, knowledge, 0.0).terms({MANY.name: student}, {}, batch, NOW)
    torch.stack(list(terms.terms.values())).sum().backward()
    assert student.grad is not None
    assert student.grad.isfinite().all()


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


def terms_with(
    alpha: Value, knowledge: Knowledge, batch: Batch, outputs: dict[str, Tensor]
) -> dict[LossKey, Tensor]:
    settings = replace(DISTILL, alpha=alpha, temperature=2.0, weight=3.0)
    objective = Objective(IMAGES.tasks, settings, knowledge, 0.0)
    return objective.terms(outputs, {}, batch, NOW).terms


def test_an_alpha_an_item_weighs_each_items_two_losses(
    images: EncodedSplit, taught_images: Knowledge
) -> None:
    batch = images.batch(np.array([0, 2, 5, 9, 35, 48]))  # the last two have no label at all
    outputs = outputs_of(batch)
    schedule = Confidence(0.1, 0.9, "probability")
    found = terms_with(schedule, taught_images, batch, outputs)
    teacher = taught(taught_images, SHAPE, batch, 2.0)
    alpha = 0.1 + 0.8 * (3 * teacher.softmax(-1).amax(-1) - 1) / 2
    assert len(alpha.unique()) == 6
    soft = alpha * kl(outputs[SHAPE.name], teacher, 2.0)
    labels = batch.targets[SHAPE.name]["labels"][:4]
    hard = torch.nn.functional.cross_entropy(outputs[SHAPE.name][:4], labels, reduction="none")
    # Divided by the number of items, not by the sum of the shares.
    torch.testing.assert_close(found[LossKey(SHAPE.name, "kd")], 3 * soft.sum() / 6)
    expected = 3 * ((1 - alpha[:4]) * hard).sum() / 4
    torch.testing.assert_close(found[LossKey(SHAPE.name, "task")], expected)


@pytest.mark.parametrize(
    "schedule",
    [
        Confidence(0.3, 0.3, "probability"),
        Confidence(0.3, 0.3, "entropy"),
        Correct(0.3, 0.3),
        Labelled(0.3, 0.3),
    ],
    ids=lambda one: one.kind,
)
@pytest.mark.parametrize("loss", sorted(set(LOGIT_LOSSES) - {"bounded", "ranked_probability"}))
def test_the_same_alpha_for_every_item_is_that_number(
    images: EncodedSplit, taught_images: Knowledge, schedule: Schedule, loss: str
) -> None:
    batch = images.batch(np.array([0, 2, 5, 9, 35, 48]))
    logits = Method(loss, DEFAULTS[loss])
    settings = replace(DISTILL, logits={SHAPE.name: logits, DARK.name: DISTILL.logits})
    one, two = (
        Objective(IMAGES.tasks, replace(settings, alpha=alpha), taught_images, 0.0).terms(
            outputs_of(batch), {}, batch, NOW
        )
        for alpha in (schedule, 0.3)
    )
    assert set(one.terms) == set(two.terms)
    for key in one.terms:
        torch.testing.assert_close(one.terms[key], two.terms[key])


def test_where_the_teacher_is_right_the_label_does_not_count_and_the_other_way_round(
    images: EncodedSplit, taught_images: Knowledge
) -> None:
    batch = images.batch(np.array([*range(10), 35]))
    outputs = outputs_of(batch)
    found = terms_with(Correct(0.0, 1.0), taught_images, batch, outputs)
    teacher = taught(taught_images, SHAPE, batch, 1.0)
    labels = batch.targets[SHAPE.name]["labels"]
    right = (teacher.argmax(-1) == labels)[:10]
    assert 0 < right.sum() < 10
    for kind, reached in (("task", [*(~right).tolist(), False]), ("kd", [*right.tolist(), True])):
        (gradient,) = torch.autograd.grad(
            found[LossKey(SHAPE.name, kind)], outputs[SHAPE.name], retain_graph=True
        )
        assert (gradient != 0).any(-1).tolist() == reached


def test_the_means_of_what_schedules_gave_stand_beside_the_losses_and_constants_do_not(
    images: EncodedSplit, taught_images: Knowledge
) -> None:
    batch = images.batch(np.array([0, 2, 5, 35]))  # 2, 5 and 35 lack `dark`
    settings = replace(
        DISTILL,
        alpha={SHAPE.name: 0.5, DARK.name: Labelled(0.2, 0.6)},
        temperature={SHAPE.name: Linear(4.0, 1.0), DARK.name: 2.0},
    )
    for knowledge, expected in (
        (taught_images, {(SHAPE.name, "temperature"): 3.0, (DARK.name, "alpha"): 0.5}),
        (None, {}),
    ):
        objective = Objective(IMAGES.tasks, settings, knowledge, 0.0)
        raw = objective.terms(outputs_of(batch), {}, batch, Time(3, 10, 0)).raw
        found = {key[:2]: float(value) for key, value in raw.items() if key.kind in VALUES}
        assert found == pytest.approx(expected)


@pytest.mark.parametrize("alpha", [Labelled(0.0, 0.0), Labelled(1.0, 1.0), Correct(0.0, 1.0)])
@pytest.mark.parametrize("size", [1.0, 1e4])
def test_shares_of_nothing_leave_finite_losses_and_gradients(
    images: EncodedSplit, taught_images: Knowledge, alpha: Schedule, size: float
) -> None:
    for rows in ([0], [35], [0, 35]):
        batch = images.batch(np.array(rows))
        outputs = {
            name: (one * size).detach().requires_grad_() for name, one in outputs_of(batch).items()
        }
        terms = terms_with(alpha, taught_images, batch, outputs)
        torch.stack(list(terms.values())).sum().backward()
        for output in outputs.values():
            assert output.grad is not None
            assert output.grad.isfinite().all()
        none = {Labelled(0.0, 0.0): "kd", Labelled(1.0, 1.0): "task"}.get(alpha)
        assert all(term == 0 for key, term in terms.items() if key.kind == none)
        assert all(term.isfinite() for term in terms.values())


def test_words_have_an_alpha_each_and_those_cut_off_count_for_nothing(
    tokens: EncodedSplit, taught_tokens: Knowledge
) -> None:
    batch = tokens.batch(np.arange(len(tokens)))
    outputs = token_outputs(tokens, batch)
    settings = replace(DISTILL, alpha=Confidence(0.1, 0.9, "entropy"))
    terms, _ = Objective(TOKENS.tasks, settings, taught_tokens, 0.0).terms(outputs, {}, batch, NOW)
    index = batch.words["words"].index
    seen = index >= 0
    assert not seen.all()
    teacher = taught(taught_tokens, TAG, batch, 1.0)[seen]
    chances = teacher.double().softmax(-1)
    entropy = -(chances * chances.log()).sum(-1) / np.log(2)
    alpha = (0.9 - 0.8 * entropy).float()
    student = outputs[TAG.name].flatten(0, 1)[index[seen]]
    expected = (alpha * kl(student, teacher, 1.0)).mean()
    torch.testing.assert_close(terms[LossKey(TAG.name, "kd")], expected)
    labels = batch.targets[TAG.name]["labels"][seen]
    each = torch.nn.functional.cross_entropy(
        student, labels, ignore_index=MISSING, reduction="none"
    )
    expected = ((1 - alpha) * each).sum() / (labels != MISSING).sum()
    torch.testing.assert_close(terms[LossKey(TAG.name, "task")], expected)


def test_of_several_teachers_the_confidence_is_that_of_what_they_say_together(
    images: EncodedSplit, caches: dict[str, TeacherCache]
) -> None:
    knowledge, batch = joined(caches), images.batch(np.arange(5))
    outputs = outputs_of(batch)
    found = terms_with(Confidence(0.0, 1.0, "probability"), knowledge, batch, outputs)
    single = [
        taught(knowledge_of({"t": cache}), SHAPE, batch, 1.0).softmax(-1)
        for cache in caches.values()
    ]
    alpha = (3 * (single[0] + single[1]).amax(-1) / 2 - 1) / 2
    soft = kl(outputs[SHAPE.name], taught(knowledge, SHAPE, batch, 2.0), 2.0)
    torch.testing.assert_close(found[LossKey(SHAPE.name, "kd")], 3 * (alpha * soft).mean())


@pytest.mark.parametrize("alpha", [0.3, Labelled(0.3, 1.0)], ids=["number", "an item"])
def test_a_sample_weight_is_a_factor_of_both_parts_of_an_items_loss(
    images: EncodedSplit, taught_images: Knowledge, alpha: float | Schedule
) -> None:
    batch = images.batch(np.array([*range(6), 35]))  # the last one has no label
    outputs = outputs_of(batch)
    settings = replace(DISTILL, alpha=alpha, sample_weight=Confidence(0.1, 0.9, "probability"))
    found = Objective(IMAGES.tasks, settings, taught_images, 0.0).terms(outputs, {}, batch, NOW)
    teacher = taught(taught_images, SHAPE, batch, 1.0)
    weights = 0.1 + 0.8 * (3 * teacher.softmax(-1).amax(-1) - 1) / 2
    soft = kl(outputs[SHAPE.name], teacher, 1.0)
    shares = torch.full((7,), 0.3) if alpha == 0.3 else torch.tensor([0.3] * 6 + [1.0])
    expected = (shares * weights * soft).mean()
    torch.testing.assert_close(found.terms[LossKey(SHAPE.name, "kd")], expected)
    labels = batch.targets[SHAPE.name]["labels"][:6]
    hard = torch.nn.functional.cross_entropy(outputs[SHAPE.name][:6], labels, reduction="none")
    expected = (0.7 * weights[:6] * hard).mean()
    torch.testing.assert_close(found.terms[LossKey(SHAPE.name, "task")], expected)
    mean = found.raw[LossKey(SHAPE.name, "sample_weight")]
    torch.testing.assert_close(mean, weights.mean())


def test_a_sample_weight_is_of_tasks_that_somebody_teaches(
    images: EncodedSplit, taught_images: Knowledge
) -> None:
    """So the baseline, that has no teacher, weighs all rows alike."""
    batch = images.batch(np.arange(6))
    weighed = replace(DISTILL, alpha=0.5, sample_weight=Labelled(0.2, 1.0))
    plain = replace(weighed, sample_weight=1.0)
    for silent in (None, taught_images):
        settings = [replace(one, alpha=0.0) if silent else one for one in (weighed, plain)]
        one, two = (
            Objective(IMAGES.tasks, each, silent, 0.0).terms(outputs_of(batch), {}, batch, NOW)
            for each in settings
        )
        assert one.terms.keys() == two.terms.keys()
        assert all(torch.equal(one.terms[key], two.terms[key]) for key in one.terms)


@pytest.mark.parametrize("size", [1.0, 1e4])
def test_sample_weights_of_nothing_leave_finite_losses_and_gradients(
    images: EncodedSplit, taught_images: Knowledge, size: float
) -> None:
    settings = replace(DISTILL, alpha=0.5, sample_weight=Labelled(0.0, 0.0))
    batch = images.batch(np.array([0, 35]))
    outputs = {
        name: (one * size).detach().requires_grad_() for name, one in outputs_of(batch).items()
    }
    objective = Objective(IMAGES.tasks, settings, taught_images, 0.0)
    terms = objective.terms(outputs, {}, batch, NOW).terms
    torch.stack(list(terms.values())).sum().backward()
    assert all(term == 0 for term in terms.values())
    for output in outputs.values():
        assert output.grad is not None
        assert not output.grad.any()


def test_a_weight_over_time_is_a_factor_of_the_whole_task(
    images: EncodedSplit, taught_images: Knowledge
) -> None:
    batch = images.batch(np.arange(6))
    weight = {SHAPE.name: Linear(3.0, 1.0), DARK.name: 1.0}
    scheduled = Objective(
        IMAGES.tasks, replace(DISTILL, alpha=0.5, weight=weight), taught_images, 0.0
    )
    plain = Objective(IMAGES.tasks, replace(DISTILL, alpha=0.5, weight=1.0), taught_images, 0.0)
    for step, factor in ((0, 3.0), (5, 2.0), (10, 1.0)):
        time = Time(step, 11, 0)
        found = scheduled.terms(outputs_of(batch), {}, batch, time)
        expected = plain.terms(outputs_of(batch), {}, batch, time)
        for key, term in expected.terms.items():
            times = factor if key.task == SHAPE.name else 1.0
            torch.testing.assert_close(found.terms[key], times * term)
            torch.testing.assert_close(found.raw[key], expected.raw[key])


def test_a_cache_of_the_likeliest_classes_goes_with_an_alpha_an_item(tmp_path: Path) -> None:
    split = IMAGES.split(tmp_path, image_rows(), tasks=(MANY,))
    cache, batch = cut_knowledge(split, tmp_path), split.batch(np.arange(40))
    student = torch.randn(40, 303, generator=torch.Generator().manual_seed(0))
    alone, scaled = (
        Objective((MANY,), replace(DISTILL, alpha=alpha), knowledge_of({"t": cache}), 0.0).terms(
            {MANY.name: student}, {}, batch, NOW
        )
        for alpha in (0.25, Labelled(0.25, 0.25))
    )
    for key in (LossKey(MANY.name, "kd"), LossKey(MANY.name, "task")):
        torch.testing.assert_close(alone.terms[key], scaled.terms[key])


def test_a_schedule_that_does_not_fit_a_task_is_refused_where_somebody_teaches_it(
    taught_images: Knowledge,
) -> None:
    tasks = (replace(SHAPE, kind="regression", labels=(), decode={"mean": 0.0, "spread": 1.0}),)
    settings = replace(DISTILL, alpha=Correct(0.0, 1.0))
    with pytest.raises(UsageError, match="shape: correct is defined for tasks"):
        Objective(tasks, settings, taught_images, 0.0)
    Objective(tasks, settings, None, 0.0)
    settings = replace(DISTILL, sample_weight=Correct(0.0, 1.0))
    with pytest.raises(UsageError, match="shape: correct is defined for tasks"):
        Objective(tasks, settings, taught_images, 0.0)


def test_progress_is_refused_where_nobody_measured_the_teachers(taught_images: Knowledge) -> None:
    settings = replace(DISTILL, alpha=Progress(1.0, 1.0, 0.0))
    with pytest.raises(UsageError, match="alpha of shape: expected what its teachers lack"):
        Objective(IMAGES.tasks, settings, taught_images, 0.0)
    lacks = {task.name: 0.1 for task in IMAGES.tasks}
    Objective(IMAGES.tasks, settings, replace(taught_images, lacks=lacks), 0.0)
    Objective(IMAGES.tasks, settings, None, 0.0)


def test_a_task_that_nobody_teaches_has_its_hard_loss_whole_under_any_schedule(
    images: EncodedSplit, tmp_path: Path
) -> None:
    cache = cache_outputs(IMAGES.net_teacher(), images, tmp_path, tasks=(SHAPE,))
    batch = images.batch(np.arange(4))
    key = LossKey(DARK.name, "task")
    one, two = (
        terms_with(alpha, knowledge_of({"t": cache}), batch, outputs_of(batch))[key]
        for alpha in (Correct(0.0, 1.0), 0.0)
    )
    assert torch.equal(one, two)


def tailed(counts: tuple[int, ...], *, teacher: bool = True, tau: float = 1.0) -> DistillSettings:
    """Settings under which the prior of the first task's labels is added in training."""
    method = Method("logit_adjustment", {"tau": tau, "teacher": teacher})
    long_tail = {SHAPE.name: LongTailSpec(method, Support(counts, sum(counts)))}
    return replace(DISTILL, alpha=0.5, temperature=2.0, long_tail=long_tail)


@pytest.mark.parametrize("teacher", [True, False])
def test_a_prior_is_added_for_the_labels_and_where_asked_for_the_teacher(
    images: EncodedSplit, taught_images: Knowledge, teacher: bool
) -> None:
    batch, counts = images.batch(np.array([0, 1, 5, 35])), (80, 16, 4)
    outputs = outputs_of(batch)
    settings = tailed(counts, teacher=teacher)
    found = Objective(IMAGES.tasks, settings, taught_images, 0.0).terms(outputs, {}, batch, NOW).raw
    adjusted = outputs[SHAPE.name] + torch.tensor(counts).log()
    labels = batch.targets[SHAPE.name]["labels"]
    hard = torch.nn.functional.cross_entropy(adjusted, labels, ignore_index=MISSING)
    torch.testing.assert_close(found[LossKey(SHAPE.name, "task")], hard.detach())
    said = taught(taught_images, SHAPE, batch, 2.0)
    soft = kl(adjusted if teacher else outputs[SHAPE.name], said, 2.0).mean()
    torch.testing.assert_close(found[LossKey(SHAPE.name, "kd")], soft.detach())


def test_a_long_tail_leaves_other_tasks_to_the_bit_and_equal_counts_all(
    images: EncodedSplit, taught_images: Knowledge
) -> None:
    batch = images.batch(np.array([0, 1, 5, 35]))

    def raw(settings: DistillSettings) -> dict[LossKey, Tensor]:
        objective = Objective(IMAGES.tasks, settings, taught_images, 0.1)
        return objective.terms(outputs_of(batch), {}, batch, NOW).raw

    plain = raw(replace(DISTILL, alpha=0.5, temperature=2.0))
    found = raw(tailed((80, 16, 4)))
    for key in plain:
        assert torch.equal(found[key], plain[key]) == (key.task != SHAPE.name), key
    for even in (tailed((9, 9, 9)), tailed((80, 16, 4), tau=0.0)):
        assert all(torch.equal(one, plain[key]) for key, one in raw(even).items())


def test_labels_of_a_task_weigh_what_its_long_tail_says(images: EncodedSplit) -> None:
    batch = images.batch(np.array([0, 1, 4, 5, 35]))
    spec = LongTailSpec(Method("class_balanced", {"beta": 0.9}), Support((60, 5), 65))
    settings = replace(DISTILL, alpha=0.0, long_tail={DARK.name: spec})
    outputs = outputs_of(batch)
    found = Objective(IMAGES.tasks, settings, None, 0.0).terms(outputs, {}, batch, NOW).raw
    labels = batch.targets[DARK.name]["labels"].numpy()
    raw = 0.1 / (1 - 0.9 ** np.array([60.0, 5.0]))
    weights = raw / ((raw * [60, 5]).sum() / 65)
    logits = outputs[DARK.name].detach().double().numpy()[:, 0]
    known = labels != MISSING
    away = np.where(labels == 1, -logits, logits)[known]
    expected = (np.log1p(np.exp(away)) * weights[labels[known]]).mean()
    assert found[LossKey(DARK.name, "task")].item() == pytest.approx(expected, rel=1e-5)


def test_of_many_classes_a_prior_is_added_to_all_before_they_are_merged(tmp_path: Path) -> None:
    """A student that says what the teacher does, less the prior, has nothing to learn."""
    split = IMAGES.split(tmp_path, image_rows(), tasks=(MANY,))
    cache, batch = cut_knowledge(split, tmp_path), split.batch(np.arange(6))
    counts = tuple(range(1, 304))
    said = IMAGES.net(seed=2, teacher=True, tasks=(MANY,)).eval()(batch.inputs)[MANY.name]
    student = said - torch.tensor(counts).log()
    settings = replace(tailed(counts), alpha=1.0)
    objective = Objective((MANY,), settings, knowledge_of({"t": cache}), 0.0)
    found = objective.terms({MANY.name: student}, {}, batch, NOW).terms[LossKey(MANY.name, "kd")]
    assert found.item() < 1e-5  # fp16 in the cache
