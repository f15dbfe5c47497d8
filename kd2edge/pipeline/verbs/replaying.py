"""``kd2edge replay``: the step of a run that went wrong once more."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from kd2edge.distill import TrainingJob
from kd2edge.distill.explosion import EXPLOSION
from kd2edge.distill.failed import has_failed
from kd2edge.distill.replay import Replayed, replay
from kd2edge.errors import UsageError
from kd2edge.files import folder_lock
from kd2edge.pipeline.reading.model_inputs import student_inputs
from kd2edge.pipeline.reading.prepare import prepare_data, require_sound
from kd2edge.pipeline.steps.events import Listener
from kd2edge.pipeline.steps.folders import RunFolder, run_to_write
from kd2edge.pipeline.steps.learning import students_of
from kd2edge.pipeline.steps.teaching import AskedTeacher, ask_teacher, rounds_of, taught, tutor_of
from kd2edge.pipeline.steps.training import finished_record
from kd2edge.pipeline.steps.work import Learner, Work
from kd2edge.recipe import load_recipe
from kd2edge.recipe.code import require_code_allowed
from kd2edge.wording import value as short

__all__ = ["Replay", "replay_run"]

#: Modules that are shown of each list.
_MOST = 10


@final
@dataclass(frozen=True, slots=True)
class Replay:
    """The step that went wrong, once more."""

    name: str
    replayed: Replayed

    @property
    def failed(self) -> bool:
        """Whether something is not finite now, too, or a loss as far too large as it was."""
        return self.replayed.what is not None

    def to_json(self) -> dict[str, Any]:
        """JSON values; numbers that are not finite are text."""
        found = self.replayed
        return {
            "replay": self.name,
            "failed": found.failed,
            "precision": found.precision,
            "what": None if found.what is None else found.what.to_json(),
            "losses": [
                {
                    "task": key.task,
                    "loss": key.kind,
                    **({"peer": key.peer} if key.peer else {}),
                    "value": _number(value),
                    "rows": [
                        {**one.row, "value": _number(one.value)} for one in found.rows.get(key, ())
                    ],
                }
                for key, value in found.losses.items()
            ],
            "gradients": {name: _number(norm) for name, norm in found.gradients.items()},
            "activations": {one.module: _number(one.value) for one in found.peaks},
        }

    def text(self) -> str:
        """For people."""
        found = self.replayed
        first = found.failed
        where = f"{self.name}, step {first['step']}, epoch {first['epoch']}"
        lines = [
            f"{where}, {found.precision} (was: {first['precision']}, {first['device']})",
            f"now: {found.what or _sound(first)}",
        ]
        for key, value in found.losses.items():
            whose = f"peer {key.peer}: " if key.peer else ""
            of = key.task or "the features"
            lines += ["", f"{whose}loss {key.kind} of {of}: {value:g}"]
            lines += [
                f"  {one.value:<12g} {short(one.row['id'])}  {one.row['place']}"
                for one in found.rows.get(key, ())
            ]
        lines += ["", "gradient norms, the largest first", *_table(found.gradients)]
        peaks = {one.module: one.value for one in found.peaks}
        lines += ["", "largest outputs of modules", *_table(peaks)]
        broken = next((one for one in found.peaks if not math.isfinite(one.value)), None)
        if broken is not None:
            lines.append(f"the first output that is not finite is that of {broken.module}")
        lines += [
            "",
            "(rows: each alone, without dropout, with the means of batch norms; the worst first)",
        ]
        return "\n".join(lines)


def _sound(failed: Mapping[str, Any]) -> str:
    """What is said of a step that no longer goes wrong."""
    finite = "losses, gradients and weights are finite"
    is_explosion = failed["what"]["kind"] == EXPLOSION
    return f"{finite}, and the loss is below its limit" if is_explosion else finite


def replay_run(
    path: Path,
    *,
    precision: str | None = None,
    cache_dir: Path | None = None,
    allow_code: bool = False,
    on_event: Listener = lambda event: None,
) -> Replay:
    """Take the step that went wrong in a run again.

    Args:
        path: the run.
        precision: in place of the one that the step had.
        cache_dir: of the run, where it was not in it.
        allow_code: let code run that its recipe names.
        on_event: told about progress.

    Raises:
        UsageError: no such run, or nothing went wrong in it; its rows or teachers have changed.
        RecipeError: its recipe or rows cannot be used any more.
        StorageError: another process works on this run.
        IntegrityError: what was kept is damaged.
    """
    run = run_to_write(path)
    if not run.recipe.is_file():
        raise UsageError(f"{path}: no run: expected its folder, with a recipe.yaml in it")
    failed = {one for one in run.checkpoints.glob("*") if has_failed(one)}
    if not failed:
        raise UsageError(f"{path}: no step of this run went wrong: nothing to replay")
    loaded = load_recipe(run.recipe, check_files=True)
    require_code_allowed(loaded, allow_code)
    data = prepare_data(loaded)
    require_sound(loaded, data)
    with folder_lock(run.path):
        cache = cache_dir or run.cache
        work = Work(loaded, run, data, cache, True, on_event, allow_code)
        job = _job(work, failed)
        return Replay(job.name, replay(job, precision=precision, most=_MOST))


def _job(work: Work, failed: set[Path]) -> TrainingJob:
    """The first training of the run that a step of went wrong."""
    tutors = [tutor_of(work, teacher) for teacher in work.recipe.teachers]
    asked: dict[str, AskedTeacher] = {}
    for several in rounds_of(tutors):
        caches = {name: one.caches for name, one in asked.items()}
        ready = [taught(work, tutor, caches) for tutor in several]
        for job in [job for tutor in ready for job in tutor.jobs]:
            if isinstance(job, TrainingJob) and job.checkpoints in failed:
                return job
            if finished_record(job) is None:
                raise UsageError(_incomplete(work.run, f"{job.name} is not what the run trained"))
        asked |= {tutor.teacher.name: ask_teacher(work, tutor) for tutor in ready}
    inputs = student_inputs(work.recipe, work.data.rows["train"], work.data.learned)
    learner = Learner(inputs, work.encode(inputs, work.recipe.seed))
    students = students_of(work, learner, [asked[one.teacher.name] for one in tutors])
    found = next((job for job in students.jobs() if job.checkpoints in failed), None)
    if found is None:
        raise UsageError(_incomplete(work.run, "the recipe has no such net"))
    return found


def _incomplete(run: RunFolder, reason: str) -> str:
    return (
        f"{run.path}: a step went wrong, but its training cannot be set up again: {reason}; run"
        " `kd2edge distill` again"
    )


def _table(values: Mapping[str, float]) -> Sequence[str]:
    ordered = sorted(values.items(), key=lambda one: (math.isfinite(one[1]), -one[1]))
    return [f"  {value:<12g} {name}" for name, value in ordered[:_MOST]]


def _number(value: float) -> float | str:
    return value if math.isfinite(value) else str(value)
