"""Nets that learn beside the student, as a recipe states them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kd2edge.errors import Problem
from kd2edge.recipe import LoadedRecipe
from kd2edge.recipe.mutual_checks import listens, peers_of
from kd2edge.recipe.schema import ConvModel, JointModel, StaticModel

Load = Callable[..., LoadedRecipe]
Problems = Callable[..., list[Problem]]

PEERS = "distill.mutual={peers: [{name: one, model: conv}, {name: two, model: static, seed: 9}]}"
#: The model of the small recipe's student.
STUDENT = "{family: transformers, config: {model_type: electra}}"
PHASES = """\
phases:
  - {name: general, distill: {mutual: {peers: [{name: one, model: conv}]}}}
  - {name: target}
"""


def test_peers_have_a_model_and_what_else_is_theirs(load: Load, small: str) -> None:
    recipe = load(small, PEERS).recipe
    assert recipe.distill.mutual is not None
    assert recipe.distill.mutual.weight == 1.0
    one, two = recipe.distill.mutual.peers
    assert isinstance(one.model, ConvModel)
    assert isinstance(two.model, StaticModel)
    assert (one.seed, one.lr, two.seed) == (None, None, 9)
    assert recipe.distill.mutual.seeds(4) == (5, 9)
    assert [steps for steps, _ in peers_of(recipe)] == [
        ("distill", "mutual", "peers", 0),
        ("distill", "mutual", "peers", 1),
    ]
    assert listens(recipe)
    assert not listens(load(small, PEERS, "distill.mutual.weight=0").recipe)
    assert not listens(load(small).recipe)


def test_a_peer_of_several_inputs_is_joint(load: Load, small: str) -> None:
    two = small.replace("inputs:\n", "inputs:\n  title: {kind: text, tokenizer: {path: t.json}}\n")
    model = "{encoders: {text: conv, title: static}}"
    text = two.replace(
        f"student:\n  model: {STUDENT}",
        f"student:\n  model: {model}",
    ).replace("model: {family: transformers, source: weights}", f"model: {model}")
    mutual = f"{{peers: [{{name: one, model: {model}}}]}}"
    recipe = load(text, f"distill.mutual={mutual}").recipe
    assert recipe.distill.mutual is not None
    assert isinstance(recipe.distill.mutual.peers[0].model, JointModel)
    phases = f"phases:\n  - {{name: only, distill: {{mutual: {mutual}}}}}\n"
    (phase,) = load(text + phases).recipe.phases
    assert phase.distill.mutual == recipe.distill.mutual


def test_a_peer_is_of_one_phase(load: Load, small: str, problems: Problems) -> None:
    recipe = load(small + PHASES).recipe
    assert [steps for steps, _ in peers_of(recipe)] == [
        ("phases", 0, "distill", "mutual", "peers", 0)
    ]
    assert listens(recipe)
    (found,) = problems(
        small + PHASES.replace("{name: target}", "{name: target, distill: {mutual: {peers: [{name:"
                               " two, model: conv}]}}}")
    )  # fmt: skip
    assert found.field == "phases.1.distill.mutual"
    assert "peers begin anew in each phase, and general and target both have some" in found.message
    inherited = problems(small + "phases:\n  - {name: a}\n  - {name: b}\n", PEERS)
    assert [one.field for one in inherited] == ["phases.1.distill.mutual"]


@pytest.mark.parametrize(
    ("mutual", "field", "says"),
    [
        ("{peers: []}", "peers", "at least 1"),
        ("{weight: 1}", "", "peers"),
        ("{peers: [{name: big, model: conv}]}", "peers.0.name", "'big' is taken by a teacher"),
        ("{peers: [{name: student, model: conv}]}", "peers.0.name", "taken by a model of the run"),
        ("{peers: [{name: a, model: conv}, {name: a, model: conv}]}", "peers.1.name",
         "the name 'a' stands twice"),
        ("{peers: [{name: a, model: conv}], weight: -1}", "weight", "at least 0, found -1"),
        ("{peers: [{name: a, model: conv, lr: 0}]}", "peers.0.lr", "0"),
        ("{peers: [{name: a, model: boosting}]}", "peers.0.model", "boosting"),
        ("{peers: [{name: a, model: conv, seed: 2}, {name: b, model: conv}]}", "peers.1.seed",
         "begins with the seed 2 already"),
        (f"{{peers: [{{name: a, model: {STUDENT}, seed: 0}}]}}",
         "peers.0.seed", "begins with the seed 0 already"),
        ("{peers: [{name: a, model: {family: cnn}}]}", "peers.0.model.config", "expected channels"),
        ("{peers: [{name: a, model: {family: transformers, source: weights}}]}", "peers.0.model",
         "the student's is cut: leave its source out"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_at_its_place(
    problems: Problems, small: str, mutual: str, field: str, says: str
) -> None:
    text = small.replace("{path: tokenizer.json}", "{path: tokenizer.json, vocab: cut}")
    (found,) = problems(text, f"distill.mutual={mutual}")
    assert found.field == f"distill.mutual.{field}".removesuffix(".")
    assert says in found.message


def test_unlabelled_rows_need_a_teacher_or_a_peer_that_is_listened_to(
    load: Load, problems: Problems, small: str
) -> None:
    alone = small.replace(
        "teachers:\n  - name: big\n    model: {family: transformers, source: weights}\n", ""
    ).replace(
        "inputs:\n", "  unlabelled: [{name: more, kind: jsonl, train: more.jsonl}]\ninputs:\n"
    )
    load(alone, PEERS, "distill.alpha=0")
    (found,) = problems(alone, PEERS, "distill.alpha=0", "distill.mutual.weight=0")
    assert found.field == "data.unlabelled"
    assert "peer" in found.message


def test_weights_of_a_peer_must_be_there(problems: Problems, small: str) -> None:
    mutual = "{peers: [{name: a, model: {family: transformers, source: gone}}]}"
    found = problems(small, f"distill.mutual={mutual}", check_files=True)
    fields = {one.field for one in found}
    assert "distill.mutual.peers.0.model.source" in fields
