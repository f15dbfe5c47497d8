"""What ``make demo`` runs: the real verbs on the quick start, their real output in view."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import click

#: (arguments, exit codes that go on): a gate may be undecided and the show is still a show.
_STEPS: tuple[tuple[str, tuple[int, ...]], ...] = (
    ("distill {recipe}", (0,)),
    ("export --onnx --openvino --trt", (0,)),
    ("validate models/quickstart", (0, 3)),
    ("bench models/quickstart --batch 1,32 --seconds 1", (0,)),
    ("predict models/quickstart {rows} --top-k 1", (0,)),
    ("report", (0,)),
)


def main() -> None:
    """Run every step and end with the table of results."""
    began = time.monotonic()
    from kd2edge.pipeline.verbs.gallery import gallery

    recipe = next(one.path for one in gallery() if one.name == "quickstart")
    rows = Path("runs") / "demo-rows.jsonl"
    gate = 0
    for step, fine in _STEPS:
        if "{rows}" in step:
            _write_rows(rows)
        arguments = [part.format(recipe=recipe, rows=rows) for part in step.split()]
        click.secho(f"\n$ kd2edge {' '.join(arguments)}", bold=True)
        code = subprocess.run([sys.executable, "-m", "kd2edge", *arguments], check=False).returncode
        if code not in fine:
            click.echo(f"stopped: `kd2edge {arguments[0]}` left with exit code {code}", err=True)
            sys.exit(code)
        gate = gate or code
    _finish(time.monotonic() - began, gate)


def _write_rows(path: Path) -> None:
    """Three test canvases as the JSON lines that a client would send."""
    import json

    from kd2edge.rows.kinds import open_rows

    rows = open_rows("builtin", {"builder": "multimnist", "split": "test"})
    lines = [json.dumps({"image": rows[at]["image"].tolist()}) for at in range(3)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    for at in range(3):
        row = rows[at]
        click.echo(f"row {at}: left {row['left']}, right {row['right']}, larger {row['larger']}")


def _finish(seconds: float, gate: int) -> None:
    from kd2edge.pipeline.steps.folders import latest_run
    from kd2edge.pipeline.verbs.reports import findings
    from kd2edge.reporting import headline_table

    run = latest_run()
    click.echo("\n" + headline_table(*findings(run.path)))
    verdict = "the gate passed" if gate == 0 else "the gate did not pass everything (exit code 3)"
    click.echo(f"{verdict}; {seconds / 60:.1f} minutes")
    click.echo(f"report: {run.html.resolve()}")
    click.echo("next:   kd2edge new mine --from quickstart, then kd2edge check mine.yaml")


if __name__ == "__main__":
    main()
