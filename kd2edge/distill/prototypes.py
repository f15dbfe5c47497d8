"""Prototypes of tasks that reject by distance: centres of training rows, once a net is trained."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from kd2edge.data.device import device_of, full_fp32
from kd2edge.data.split import EncodedSplit
from kd2edge.nets import Net
from kd2edge.nets.heads.scope import Scope
from kd2edge.tasks.reject import by_prototypes, prototypes_asked, reject_label
from kd2edge.tasks.spec import MISSING, TaskName, TaskSpec

__all__ = ["fit_prototypes", "prototypes"]

#: Rows that a task's prototypes are fitted to; of more about as many are drawn: what bounds memory.
ROWS = 65_536

#: What the length of a vector is taken for where it is smaller.
_LEAST = 1e-9

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]


def fit_prototypes(
    net: Net, split: EncodedSplit, *, seed: int, batch_size: int, device: str = "auto"
) -> None:
    """Give the heads of tasks that ask for prototypes theirs, in place.

    A task without a labelled row in scope gets none, and goes on rejecting by probability.

    Args:
        net: trained; it stays on ``device``.
        split: the rows that it learned from; they are seen as they are, in view 0.
        seed: of the clusters, and of which rows of a label are drawn where there are more than
            :data:`ROWS` in all.
        batch_size: rows a forward pass.
        device: ``auto``, ``cpu``, ``cuda``.
    """
    rows = {
        task.name: found
        for task in net.tasks
        if prototypes_asked(task) is not None and task.name in split.tasks
        if len(found := _in_scope(split, task, seed))
    }
    if not rows:
        return
    seen = np.unique(np.concatenate(list(rows.values())))
    vectors = _vectors(net, split, seen, batch_size, device)
    scopes: dict[TaskName, Scope] = {}
    tasks: list[TaskSpec] = []
    for task in net.tasks:
        asked = prototypes_asked(task)
        if asked is None or task.name not in rows:
            tasks.append(task)
            continue
        own = vectors[np.searchsorted(seen, rows[task.name])]
        labels = np.asarray(split.truth(task.name).labels)[rows[task.name]]
        middle, centres = prototypes(own, labels, asked, seed)
        scopes[task.name] = _scope(middle, centres)
        tasks.append(by_prototypes(task, len(centres)))
    net.decide(tasks, scopes)


def prototypes(
    vectors: npt.NDArray[np.float32], labels: npt.NDArray[np.int64], count: int, seed: int
) -> tuple[Floats, Floats]:
    """The mean of vectors, and the centres of the clusters of each label about it.

    Clusters are those of k-means (scikit-learn) on vectors of length 1 from the mean; so are their
    centres, stretched to length 1.

    Args:
        vectors: ``[row, width]``.
        labels: ``[row]``.
        count: of clusters a label; a label with fewer different rows has as many as those.
        seed: of k-means.

    Returns:
        The mean ``[width]``, and the centres ``[prototype, width]`` in the order of the labels.
    """
    from sklearn.cluster import KMeans

    middle = vectors.mean(axis=0, dtype=np.float64)
    apart = _unit(vectors - middle)
    found: list[Floats] = []
    for label in np.unique(labels):
        # Two texts may be read alike, and k-means cannot part what is the same.
        own = np.unique(apart[labels == label], axis=0)
        clusters = KMeans(min(count, len(own)), random_state=seed).fit(own)
        found.append(_unit(np.asarray(clusters.cluster_centers_, np.float64)))
    return middle, np.concatenate(found)


def _in_scope(split: EncodedSplit, task: TaskSpec, seed: int) -> Rows:
    """Positions of labelled rows that are in scope, rising."""
    labels = np.asarray(split.truth(task.name).labels)
    found = np.flatnonzero((labels != MISSING) & (labels != reject_label(task)))
    if len(found) <= ROWS:
        return found
    draw, least = np.random.default_rng(seed), prototypes_asked(task) or 0
    drawn: list[Rows] = []
    for label in np.unique(labels[found]):
        own = found[labels[found] == label]
        # Its share, but as many as it is to have prototypes: without any, all its rows are far.
        size = min(len(own), max(ROWS * len(own) // len(found), least))
        drawn.append(draw.choice(own, size, replace=False))
    return np.sort(np.concatenate(drawn))


def _vectors(
    net: Net, split: EncodedSplit, rows: Rows, batch_size: int, device: str
) -> npt.NDArray[np.float32]:
    """What the heads read of some rows ``[row, width]``, in evaluation mode and full precision."""
    place = device_of(device)
    net.to(place).eval()
    order = np.argsort(split.lengths[rows], kind="stable")
    found: list[npt.NDArray[np.float32]] = []
    with torch.inference_mode(), full_fp32(place):
        for at in range(0, len(order), batch_size):
            batch = split.batch(rows[order[at : at + batch_size]]).to(place)
            found.append(net.features(batch.inputs).pooled.float().cpu().numpy())
    return np.concatenate(found)[np.argsort(order, kind="stable")]


def _scope(middle: Floats, centres: Floats) -> Scope:
    scope = Scope(centres.shape[1], len(centres))
    values = {"middle": middle, "matrix": centres.T.copy()}
    scope.load_state_dict({name: torch.from_numpy(one).float() for name, one in values.items()})
    return scope


def _unit(vectors: Floats) -> Floats:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), _LEAST)
