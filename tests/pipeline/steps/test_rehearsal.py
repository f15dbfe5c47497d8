"""What does not fit is said before any teacher is trained, by ``check`` and ``distill`` alike."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from kd2edge.errors import Problem, RecipeError
from kd2edge.nets import Net
from kd2edge.pipeline.reading.model_inputs import teacher_inputs
from kd2edge.pipeline.reading.prepare import prepare_data
from kd2edge.pipeline.steps.work import fresh_net
from kd2edge.pipeline.verbs.distilling import RunOptions, distill_recipe
from kd2edge.pipeline.verbs.plan import plan_of
from kd2edge.recipe import load_recipe
from products import swap_pieces, write_text_project

_HINT = "distill.features.0"
_INIT = "student.init"
_LAYERS = "teacher: bert, from: encoder.layer.0, to: encoder.layer.0"
#: Two heads cannot share 7 numbers; the net says so when it runs, not when it is made.
_ODD = "{model_type: electra, hidden_size: 7, num_attention_heads: 2, num_hidden_layers: 1}"


def problems_of(recipe: Path, *overrides: str) -> list[Problem]:
    """What ``check`` says; ``distill`` must say the same, and train nothing."""
    loaded = load_recipe(recipe, overrides=overrides)
    with pytest.raises(RecipeError) as checked:
        plan_of(loaded)
    events: list[Any] = []
    with pytest.raises(RecipeError) as distilled:
        distill_recipe(loaded, RunOptions(recipe.parent / "run"), on_event=events.append)
    assert distilled.value.problems == checked.value.problems
    assert not events
    return list(checked.value.problems)


@pytest.mark.parametrize(
    ("override", "field", "says"),
    [
        ("teachers.0.model.config.hiden_size=8", "teachers.0", "did you mean 'hidden_size'"),
        ("student.model.config.hiden_size=8", "student.model", "did you mean 'hidden_size'"),
        ("student.model.config.hidden_size=7", "student.model", "layers do not fit one another"),
        (f"teachers.0.model={{family: transformers, config: {_ODD}}}", "teachers.0.model",
         "look at the sizes under `config`"),
        ("inputs.text.max_length=17", "student.model", "17 is more than the 16 positions"),
        (f"{_HINT}.from=encoder.layer.7", f"{_HINT}.from", "no module 'encoder.layer.7'"),
        (f"{_HINT}.to=encoder.layr.0", f"{_HINT}.to",
         "no module 'encoder.layr.0'; the nearest are encoder.layer.0, "),
        (f"{_HINT}.to=[encoder.layer.0, embeddings]", _HINT, "compares 1 layer of the teacher"),
        (f"{_HINT}={{{_LAYERS}, loss: relational, projector: linear}}", _HINT,
         "leave `projector` out, found linear"),
        (f"{_HINT}={{{_LAYERS}, loss: {{kind: attention_relations, heads: 3}}}}", _HINT,
         "into 3 heads"),
        (f"{_HINT}.projector=conv", _HINT, "projector conv reads maps"),
        (f"{_HINT}={{teacher: bert, from: embeddings, to: embeddings, projector: none}}", _HINT,
         "widths 8 and 16 differ"),
        (f"{_INIT}.layers=[0, 1]", _INIT, "the student has 1 layers"),
        (f"{_INIT}.layers=[5]", _INIT, "the teacher has layers 0 to 1"),
        ("student.model.config.embedding_size=32", _INIT, "wider (32) than the teacher's (16)"),
        ("distill.logits={kind: kl, standardise: true}", "distill.logits",
         "logits of urgent: the loss kl with standardise is defined for outputs under softmax"),
        ("distill.logits={intent: kl, urgent: {kind: kl, standardise: true}}",
         "distill.logits.urgent", "choose one of cross_entropy, dist, kl, mse"),
        ("distill.long_tail=logit_adjustment", "distill.long_tail",
         "long tail of urgent: logit_adjustment is defined for tasks of kind classification and"),
        ("distill.long_tail={intent: logit_adjustment, urgent: logit_adjustment}",
         "distill.long_tail.urgent", "this one is binary; choose one of none, class_balanced"),
        ("student.model={family: static, config: {embedding: 32}}", _INIT,
         "wider (32) than the teacher's (16)"),
        ("student.init={from: bert, embeddings: output, layers: [5]}", _INIT, "layers 0 to 1"),
        ("student.init={from: bert, embeddings: channels}", _INIT, "let embedding_size be"),
        ("train.freeze=encoder.layr.0", "train.freeze",
         "no module 'encoder.layr.0'; the nearest are encoder.layer.0, "),
        ("train.freeze=[backbone, heads]", "train.freeze", "nothing is left to train"),
        ("train.rates={heads.intnt: 2.0}", "train.rates",
         "no module 'heads.intnt'; the nearest are heads.intent"),
        ("teachers.0.train.freeze=embedings", "teachers.0.train.freeze",
         "no module 'embedings'; the nearest are embeddings"),
        ("phases=[{name: a, train: {freeze: [encoder], rates: {encoder: 2.0}}}]",
         "phases.0.train.rates", "nothing in encoder is trained"),
        (("phases=[{name: a, distill: {features: [{teacher: bert, from: encoder.layr.0,"
          " to: encoder.layr.0}]}}]"),
         "phases.0.distill.features.0.to", "no module 'encoder.layr.0'"),
        ("phases=[{name: a}, {name: b, distill: {long_tail: logit_adjustment}}]",
         "phases.1.distill.long_tail", "long tail of urgent"),
        ("phases=[{name: a, train: {freeze: [backbone]}, distill: {balance: pcgrad}}]",
         "phases.0.distill.balance", "every parameter outside the heads is frozen"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_said_before_any_training(
    tmp_path: Path, override: str, field: str, says: str
) -> None:
    found = problems_of(write_text_project(tmp_path), override)
    assert any(problem.field == field and says in problem.message for problem in found), found


def test_what_no_phase_states_is_told_once(tmp_path: Path) -> None:
    recipe = write_text_project(tmp_path)
    wrong = (f"{_HINT}.to=nowhere", "phases=[{name: a}, {name: b, train: {epochs: 1}}]")
    (problem,) = problems_of(recipe, *wrong)
    assert problem.field == f"{_HINT}.to"


@pytest.mark.parametrize(
    ("phase", "field", "says"),
    [
        ("rows: unlabelled, distill: {alpha: 0, features: []}", "phases.0.rows",
         "none of these rows has a label, and nobody teaches"),
        ("rows: [more], distill: {alpha: 0, features: []}", "phases.0.rows", "nobody teaches"),
    ],
)  # fmt: skip
def test_a_phase_has_rows_to_learn_from(tmp_path: Path, phase: str, field: str, says: str) -> None:
    (problem,) = problems_of(write_text_project(tmp_path), f"phases=[{{name: a, {phase}}}]")
    assert problem.field == field
    assert says in problem.message


def test_a_balancer_of_several_tasks_is_refused_for_one(tmp_path: Path) -> None:
    recipe = write_text_project(tmp_path)
    lines = recipe.read_text(encoding="utf-8").splitlines(keepends=True)
    text = "".join(line for line in lines if not line.startswith("  urgent:"))
    recipe.write_text(text.replace("{intent: 0.7, urgent: 0.5}", "0.5"), encoding="utf-8")
    (problem,) = problems_of(recipe, "distill.balance=mgda")
    assert problem.field == "distill.balance"
    assert "there is intent alone; take balance: static, or weigh over: terms" in problem.message
    assert plan_of(load_recipe(recipe, overrides=["distill.balance={kind: mgda, over: terms}"]))


def test_a_balancer_without_its_solver_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "quadprog", None)
    (problem,) = problems_of(write_text_project(tmp_path), "distill.balance=upgrad")
    assert problem.field == "distill.balance"
    assert 'pip install "kd2edge[balance]"' in problem.message


def test_a_balancer_is_shown_the_net_before_any_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = write_text_project(tmp_path)
    assert plan_of(load_recipe(recipe, overrides=["distill.balance=pcgrad"]))
    monkeypatch.setattr(Net, "shared_parameters", lambda self: [])
    for gradients in ("features", "parameters"):
        balance = f"distill.balance={{kind: pcgrad, gradients: {gradients}}}"
        (problem,) = problems_of(recipe, balance)
        assert problem.field == "distill.balance"
        assert "balancing gradients needs a trunk that is trained" in problem.message


def test_all_of_it_comes_at_once(tmp_path: Path) -> None:
    wrong = ("student.init.layers=[5]", f"{_HINT}.to=nowhere", f"{_HINT}.from=nowhere")
    found = problems_of(write_text_project(tmp_path), *wrong)
    assert [problem.field for problem in found] == [f"{_HINT}.from", f"{_HINT}.to", _INIT]


def test_pretrained_weights_are_fed_by_their_own_tokenizer_alone(tmp_path: Path) -> None:
    recipe = write_text_project(tmp_path)
    weights = _pretrained(recipe)
    source = f"teachers.0.model={{family: transformers, source: {weights}}}"
    plan_of(load_recipe(recipe, overrides=[source]))
    swap_pieces(weights / "tokenizer.json", "a", "b")
    (problem,) = problems_of(recipe, source)
    assert problem.field == "teachers.0"
    assert "is not the one that came with the weights" in problem.message


def test_a_table_is_started_from_one_of_the_same_tokenizer_alone(tmp_path: Path) -> None:
    recipe = write_text_project(tmp_path)
    own = "teachers.0.inputs.text={kind: text, tokenizer: {path: other.json}, max_length: 12}"
    shutil.copy(tmp_path / "tokenizer.json", tmp_path / "other.json")
    plan_of(load_recipe(recipe, overrides=[own]))
    swap_pieces(tmp_path / "other.json", "a", "b")
    (problem,) = problems_of(recipe, own)
    assert problem.field == "student.init"
    assert "the student's tokenizer is not the one of bert" in problem.message
    assert plan_of(load_recipe(recipe, overrides=[own, "student.init=null"]))


def test_a_table_may_have_more_rows_than_its_tokenizer_pieces(tmp_path: Path) -> None:
    larger = ("teachers.0.model.config.vocab_size=500", "inputs.text.tokenizer.vocab=keep")
    plan = plan_of(load_recipe(write_text_project(tmp_path), overrides=larger))
    teacher, student = plan.models["bert"], plan.models["student"]
    assert teacher.embedding_parameters >= 500 * 16
    assert student.embedding_parameters < 500 * 8


def test_a_loss_that_does_not_fit_is_no_fault_where_nobody_teaches(tmp_path: Path) -> None:
    scored = "distill.logits={kind: kl, standardise: true}"
    recipe = write_text_project(tmp_path)
    assert plan_of(load_recipe(recipe, overrides=[scored, "distill.alpha={intent: 1, urgent: 0}"]))


def test_a_loss_that_needs_all_classes_is_refused_where_not_all_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kd2edge.teacher.top_k.MANY", 1)
    four = "tasks.intent.labels=[greet, order, cancel, other]"
    overrides = ["teachers.0.top_k=2", "distill.logits={intent: dist, urgent: kl}", four]
    (problem,) = problems_of(write_text_project(tmp_path), *overrides)
    assert problem.field == "distill.logits.intent"
    assert "set its top_k to null" in problem.message
    assert plan_of(load_recipe(tmp_path / "recipe.yaml", overrides=overrides[1:]))


def _pretrained(recipe: Path) -> Path:
    """The recipe's teacher as a folder of weights with its tokenizer."""
    loaded = load_recipe(recipe)
    teacher, tasks = loaded.recipe.teachers[0], list(prepare_data(loaded).tasks.values())
    net = fresh_net(teacher.model, teacher_inputs(loaded.recipe, "bert"), tasks, 0)
    net.backbone.save_pretrained(recipe.parent / "weights")
    shutil.copy(recipe.parent / "tokenizer.json", recipe.parent / "weights")
    return recipe.parent / "weights"


@pytest.mark.parametrize(
    ("temperature", "field"),
    [("curriculum", "distill.temperature"),
     ("{intent: curriculum, urgent: 2}", "distill.temperature.intent")],
)  # fmt: skip
def test_a_temperature_learns_from_losses_that_look_at_it(
    tmp_path: Path, temperature: str, field: str
) -> None:
    recipe = write_text_project(tmp_path)
    stated = f"distill.temperature={temperature}"
    (found, *_) = problems_of(recipe, stated, "distill.logits=mse")
    assert found.field == field
    assert "temperature of intent: curriculum learns from a loss that looks at" in found.message
    assert plan_of(load_recipe(recipe, overrides=[stated]))


def test_a_phase_may_name_a_source_of_several_files(tmp_path: Path) -> None:
    recipe = write_text_project(tmp_path)
    (tmp_path / "again.jsonl").write_bytes((tmp_path / "train.jsonl").read_bytes())
    files = "data.sources.0.train=[train.jsonl, again.jsonl]"
    phases = "phases=[{name: one, rows: [bank]}]"
    plan = plan_of(load_recipe(recipe, overrides=[files, phases]))
    assert plan.phases["one"].rows == 96


def test_rows_that_have_labels_of_all_tasks_are_none_to_draw_by_task(tmp_path: Path) -> None:
    recipe, sampling = write_text_project(tmp_path), "train.sampling={over: tasks}"
    assert plan_of(load_recipe(recipe, overrides=[sampling]))  # some rows lack a label
    path = tmp_path / "train.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    path.write_text(
        "\n".join(json.dumps({**row, "urgent": row.get("urgent") or "no"}) for row in rows),
        encoding="utf-8",
    )
    (found,) = problems_of(recipe, sampling)
    assert found.field == "train.sampling"
    assert "sampling weighs tasks against each other" in found.message
    assert "the rarest task that it has a label of) are of one: leave it out" in found.message


def test_one_source_is_none_to_draw_from(tmp_path: Path) -> None:
    recipe, sampling = write_text_project(tmp_path), "train.sampling={temperature: 2}"
    (found,) = problems_of(recipe, sampling, "data.unlabelled=[]")
    assert found.field == "train.sampling"
    assert "the training rows are of one: leave it out" in found.message
    general = "phases=[{name: general, rows: unlabelled}, {name: target}]"
    (found,) = problems_of(recipe, sampling, general)
    assert found.field == "phases.0.train.sampling"
    assert "the training rows of phase general are of one: say `train:" in found.message
    said = general.replace("unlabelled}", "unlabelled, train: {sampling: null}}")
    assert plan_of(load_recipe(recipe, overrides=[sampling, said]))
    own = "phases=[{name: one, rows: unlabelled, train: {sampling: {temperature: 3}}}]"
    (found,) = problems_of(recipe, own)
    assert found.field == "phases.0.train.sampling"
    assert plan_of(load_recipe(recipe, overrides=[sampling]))
