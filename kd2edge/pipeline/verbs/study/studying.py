"""A study from its first trial to its table; the same call again goes on with it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, final

from kd2edge.events import StageEvent
from kd2edge.files import folder_lock, write_atomic
from kd2edge.pipeline.steps.events import Listener
from kd2edge.pipeline.steps.finite import finite
from kd2edge.pipeline.steps.folders import RUNS
from kd2edge.pipeline.verbs.study.findings import findings, reached
from kd2edge.pipeline.verbs.study.plan import Plan
from kd2edge.pipeline.verbs.study.runs import StudyFolder
from kd2edge.pipeline.verbs.study.scheduling import run_trials
from kd2edge.pipeline.verbs.study.storage import open_storage, require_optuna
from kd2edge.reporting.study import study_html

__all__ = ["Study", "study"]


@final
@dataclass(frozen=True, slots=True)
class Study:
    """A study that came to its end.

    Args:
        folder: where everything of it is.
        found: its ``study.json``.
    """

    folder: StudyFolder
    found: Mapping[str, Any]


def study(
    plan: Plan,
    *,
    name: str | None = None,
    storage: str | None = None,
    jobs: int = 1,
    on_event: Listener = lambda event: None,
) -> Study:
    """Try what is not tried yet, then compare.

    Args:
        plan: what is tried.
        name: of the study, in ``runs/`` and in its storage; None: the recipe's and ``-study``.
        storage: address of an Optuna storage; None: SQLite in the study's folder.
        jobs: most runs at once; memory may allow fewer.
        on_event: told about every run.

    Raises:
        StorageError: another process holds the folder or the storage, or it cannot be written.
        UsageError: the storage holds a study of another recipe under that name.
        Kd2edgeError: the recipe as it is cannot be distilled.
        BackendError: a database whose package is not installed.
    """
    require_optuna()
    called = name or f"{plan.loaded.recipe.name}-study"
    folder = StudyFolder(RUNS / called)
    with folder_lock(folder.path):
        kept = open_storage(plan, called, folder.path, storage)
        write_atomic(folder.recipe, plan.loaded.dump_resolved().encode())
        value = partial(reached, plan)
        reasons = run_trials(plan, kept, folder, jobs=jobs, value=value, on_event=on_event)
        found = finite(
            findings(
                plan,
                called,
                folder,
                kept.trials(),
                reasons,
                on_task=lambda variant: on_event(StageEvent("compare", variant)),
            )
        )
        text = json.dumps(found, ensure_ascii=False, allow_nan=False, indent=1)
        write_atomic(folder.html, study_html(found).encode())
        write_atomic(folder.json, f"{text}\n".encode())
    return Study(folder, found)
