"""Teacher and student with different label orders (mapped by name) or labels (refused)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from commands import kd2edge, succeed
from faulty import Project
from kd2edge.nets import Net, load_net, save_net
from products import Product


@pytest.fixture
def teacher(text_product: Product) -> Net:
    return load_net(text_product.run / "teachers" / "bert")


@pytest.fixture
def loading(project: Project) -> Project:
    """The text recipe, its teacher loaded from ``teacher.safetensors`` instead of trained."""
    trained = "    train: {epochs: 2, lr: 5.0e-3, batch_size: 16}\n"
    project.edit(trained, "    checkpoint: teacher.safetensors\n")
    project.edit("train: {epochs: 3", "train: {epochs: 1")
    return project


def distilled(project: Project, net: Net, name: str) -> dict[str, np.ndarray]:
    """The weights of a student taught by ``net``."""
    save_net(net, project.folder / "teacher")
    run = project.folder / name
    succeed("distill", project.recipe, "--run-dir", run, "--set", "baseline=false")
    return load_file(run / "student.safetensors")


def turn_labels(net: Net) -> None:
    """The labels of every task from the last to the first, and its logits with them."""
    net.tasks = tuple(replace(task, labels=task.labels[::-1]) for task in net.tasks)
    for task in net.tasks:
        for one in net.heads[task.name].parameters():
            # A binary head has one logit: sigmoid(-x) = 1 - sigmoid(x).
            one.data = -one.data if task.kind == "binary" else one.data.flip(0)


def test_a_teacher_with_its_labels_in_another_order_teaches_the_same(
    loading: Project, teacher: Net
) -> None:
    expected = distilled(loading, teacher, "one")
    turn_labels(teacher)
    found = distilled(loading, teacher, "two")
    assert teacher.tasks[0].labels[0] == "order"  # it was turned
    for name, weights in expected.items():
        assert np.allclose(weights, found[name], atol=1e-5), name


def test_a_teacher_with_other_labels_is_refused(loading: Project, teacher: Net) -> None:
    teacher.tasks = tuple(
        replace(task, labels=(*task.labels[:-1], "other")) for task in teacher.tasks
    )
    save_net(teacher, loading.folder / "teacher")
    result = kd2edge("distill", loading.recipe, "--run-dir", loading.folder / "run")
    assert result.code == 2, result.err
    assert "do not share the labels order, other" in result.err
    assert not (loading.folder / "run" / "student.safetensors").exists()


def test_a_teacher_that_does_not_know_a_task_is_refused(loading: Project, teacher: Net) -> None:
    teacher.tasks = teacher.tasks[:1]
    del teacher.heads["urgent"]
    save_net(teacher, loading.folder / "teacher")
    result = kd2edge("distill", loading.recipe, "--run-dir", loading.folder / "run")
    assert result.code == 2, result.err
    assert "task urgent: the teacher does not know it" in result.err


def test_a_teacher_of_other_inputs_is_refused(loading: Project, teacher: Net) -> None:
    save_net(teacher, loading.folder / "teacher")
    loading.edit("max_length: 12", "max_length: 11")
    result = kd2edge("distill", loading.recipe, "--run-dir", loading.folder / "run")
    assert result.code == 2, result.err
    assert "text.max_length 12 (recipe: 11)" in result.err


def test_a_checkpoint_without_its_description_is_refused(loading: Project, teacher: Net) -> None:
    save_net(teacher, loading.folder / "teacher")
    (loading.folder / "teacher.json").unlink()
    result = kd2edge("distill", loading.recipe, "--run-dir", loading.folder / "run")
    assert result.code == 2, result.err
    assert "teacher.json" in result.err


def test_a_checkpoint_that_was_changed_is_refused(
    loading: Project, teacher: Net, tmp_path: Path
) -> None:
    from faulty import flip_byte

    save_net(teacher, loading.folder / "teacher")
    flip_byte(loading.folder / "teacher.safetensors")
    result = kd2edge("distill", loading.recipe, "--run-dir", tmp_path / "run")
    assert result.code == 5, result.err
    assert "teacher.safetensors" in result.err
