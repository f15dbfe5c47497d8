from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kd2edge.errors import Problem, RecipeError
from kd2edge.recipe import LoadedRecipe, load_recipe
from kd2edge.recipe.schema import ImageInput, TransformersModel

Load = Callable[..., LoadedRecipe]
Problems = Callable[..., list[Problem]]


def edited(text: str, old: str, new: str) -> str:
    assert old in text
    return text.replace(old, new)


def test_a_small_recipe_loads_with_defaults(load: Load, small: str, tmp_path: Path) -> None:
    loaded = load(small)
    recipe = loaded.recipe
    assert loaded.folder == tmp_path
    assert recipe.data.root == tmp_path
    assert recipe.inputs["text"].columns == ("text",)
    assert recipe.tasks["intent"].column == "intent"
    assert recipe.teachers[0].tasks == ("intent", "urgent")
    assert recipe.teachers[0].train is not None
    assert loaded.resolved["teachers"][0]["model"]["source"] == {"path": str(tmp_path / "weights")}


def test_all_problems_come_at_once_in_the_files_order(problems: Problems, small: str) -> None:
    text = edited(small, "  intent: classification", "  intent: {kind: clasification, colum: x}")
    text = edited(text, "source: weights}", "source: weights, poling: mean}")
    text = edited(text, "name: small", "nam: small")
    text = edited(text, "kind: jsonl, train:", "kind: jsonl, trian:")
    text += "train: {epochs: 0, lr: '1e-3', epochs: 2}\ndistill: {alpha: {intnet: 1, urgent: 2}}\n"
    found = [str(problem).split("recipe.yaml:")[1] for problem in problems(text)]
    assert found == [
        "1:1: the key 'name' is missing",
        "2:1: nam: unknown key; did you mean 'name'?",
        "5:33: data.sources.0.trian: unknown key; did you mean 'train'?",
        "9:18: tasks.intent.kind: no kind 'clasification'; did you mean 'classification'?",
        "13:52: teachers.0.model.poling: unknown key; did you mean 'pooling'?",
        "16:17: train.epochs: expected at least 1, found 0",
        "16:24: train.lr: expected a number, found '1e-3'",
        "16:32: train.epochs: the key stands twice; first in line 16",
        "17:18: distill.alpha: a map by task names every task; no 'intent'",
        "17:19: distill.alpha.intnet: no task 'intnet'; did you mean 'intent'?",
        "17:38: distill.alpha.urgent: expected at most 1, found 2",
    ]


def test_faults_between_parts_are_found_beside_faults_of_keys(
    problems: Problems, small: str
) -> None:
    text = edited(small, "model: {family: transformers, source: weights}", "model: transformers")
    text += "baselin: false\n"
    assert [problem.field for problem in problems(text)] == ["teachers.0.model", "baselin"]


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("train.epochs=1.5", "expected a whole number, found 1.5"),
        ("train.epochs=true", "expected a whole number, found true"),
        ("train.epochs=null", "expected a whole number, found null"),
        ("train.lr=no", "expected a number, found 'no'"),
        ("train.lr=0", "expected more than 0, found 0"),
        ("train.lr=.inf", "no finite number"),
        ("train.warmup=1.1", "expected at most 1"),
        ("train.label_smoothing=1", "expected less than 1"),
        ("baseline=yes", "expected true or false, found 'yes'; write true or false"),
        ("name=3", "expected a text, found 3; write it in quotes"),
        ("name=../x", "expected a name"),
        ("version=2", "written for a newer kd2edge"),
        ("version=true", "expected a whole number, found true"),
        ("version='1'", "expected a whole number, found '1'"),
        ("seed=-1", "expected at least 0"),
        ("train.schedule=cosin", "expected 'linear', 'cosine' or 'constant', found 'cosin'; did"),
        ("train.precision=int8", "expected 'auto', 'fp32' or 'bf16', found 'int8'"),
        ("export.targets=[onnx, tensorflow]", "'openvino', 'numpy' or 'tensorrt'"),
        ("export.targets=onnx", "expected a list, found 'onnx'"),
        ("export.targets=[]", "expected at least 1 items, found 0"),
        ("export.targets=[onnx, onnx]", "'onnx' stands 2 times"),
        ("export.precisions=[fp32, fp16]", "'fp16' is made for none of onnx"),
        (
            "export={targets: [onnx, tensorrt], precisions: [fp16]}",
            "'onnx' comes in fp32, int8 alone",
        ),
        (
            "export.targets=[onnx, numpy]",
            "'numpy' runs students of family static alone, and this one is of transformers",
        ),
        ("export.precisions=[fp64]", "found 'fp64'"),
        ("export=fast", "expected a mapping, found 'fast'"),
        ("inputs={}", "expected at least 1 items"),
        ("inputs.a b={kind: text}", "expected a name"),
        ("inputs.text.kind=txt", "no kind 'txt'; did you mean 'text'?"),
        ("inputs.text={columns: [text]}", "the key 'kind' is missing; expected one of text"),
        ("inputs.text=3", "expected a mapping, found 3"),
        ("inputs.text.columns=[a, b]", "expected at most 1 items, found 2"),
        ("inputs.text.tokenizer={}", "expected one of the keys from, package, path"),
        ("inputs.text.tokenizer={from: big, path: x}", "unknown key"),
        ("inputs.text.tokenizer={from: bigg}", "no teacher 'bigg'; did you mean 'big'?"),
        ("inputs.text.tokenizer={path: ''}", "expected a path, found an empty text"),
        ("inputs.image={kind: image, size: [28]}", "size"),
        ("inputs.image={kind: image, size: [8, 8], channels: 2}", "expected 1 or 3, found 2"),
        ("inputs.image={kind: image, size: [8, 8], channels: 1.0}", "expected a whole number"),
        ("inputs.image={kind: image, size: [8, 8], mean: [0, 0]}", "expected 1 numbers"),
        ("inputs.image={kind: image, size: [8, 8], mean: [2]}", "inputs.image.mean.0: expected at"),
        ("inputs.image={kind: image, size: [8, 8], std: 0}", "inputs.image.std: expected more"),
        ("inputs.image={kind: image, size: [8, 8], augment: spin}", "no kind 'spin'"),
        ("tasks.intent.metric=f1", "no metric 'f1'"),
        ("tasks.intent.metric=entity_f1", "no metric 'entity_f1'"),
        ("tasks.intent.labels=[a]", "expected at least 2 items"),
        ("tasks.intent.labels=[a, b, a]", "the label 'a' stands twice"),
        ("tasks.urgent.labels=[a, b, c]", "tasks.urgent.labels"),
        ("tasks.urgent={kind: binary, labels: [a, b], positive: c}", "expected one of a, b"),
        ("tasks.urgent.threshold=1", "expected less than 1"),
        ("tasks.kind=classification", "the name 'kind' is taken"),
        ("tasks.ner={kind: token_classification, input: txt}", "no input 'txt'; did you"),
        ("teachers.0.tasks=[intent, urgnt]", "no task 'urgnt'; did you mean 'urgent'?"),
        ("teachers.0.tasks=[intent]", "no teacher teaches 'urgent'"),
        ("teachers.0.tasks=[]", "it teaches nothing"),
        ("teachers.0.model=cnn", "expected channels"),
        ("teachers.0.model={family: resnet}", "no family 'resnet'"),
        ("teachers.0.model.source={hub: a/b, revision: main}", "a commit of 40 hexadecimal digits"),
        ("teachers.0.model.source={}", "expected one of the keys package, hub, path"),
        ("teachers=[]", "no teacher teaches 'intent', 'urgent': give it one"),
        ("data.sources=[]", "expected at least 1 items"),
        ("data.sources.rows.kind=json", "no kind 'json'; did you mean 'jsonl'?"),
        ("data.sources.rows.validation=[]", "no source has a validation split"),
        ("data.sources.rows.tasks=[intnt]", "no task 'intnt'"),
        ("data.unlabelled=[{name: more, kind: jsonl}]", "the key 'train' is missing"),
        ("data.unlabelled=[{name: rows, kind: jsonl, train: x}]", "'rows' stands twice"),
        ("data.unlabelled=[{name: m, kind: jsonl, train: x, test: y}]", "for training only"),
        ("data.unlabelled=[{name: m, kind: jsonl, train: x, tasks: [intent]}]", "no tasks"),
        ("train.mixup={alpha: 0.001}", "expected at least 0.01"),
        ("train.mixup={at: words}", "expected 'inputs' or 'features'"),
        ("data.sources.rows.make={kind: remix}", "labels do not hold for made rows"),
        ("student.init={from: small}", "no teacher 'small'"),
        ("student.init={from: big, embeddings: none}", "it starts nothing"),
        ("student.init={from: big, convolutions: l1_norm}", "only models of family cnn"),
        ("student.init={from: big, weighing: sif}", "only output embeddings are weighed"),
        (
            "student.init={from: big, embeddings: outputs}",
            "expected 'svd', 'output', 'channels' or 'none'",
        ),
        (
            "student={model: {family: static}, init: {from: big, embeddings: channels}}",
            "only transformers have channels to cut",
        ),
        ("student.model={family: conv, config: {kernel: 4}}", "expected an odd number"),
        ("student.model={family: conv, config: {layers: 0}}", "expected at least 1"),
        ("student.model={family: conv, config: {pieces: 1}}", "expected at least 2"),
        ("student.model={family: conv, pooling: cls}", "expected 'mean', 'max' or 'both'"),
        ("student.model={family: static, config: {hidden: 64}}", "expected a list"),
        ("student.model={family: static, source: x}", "unknown key"),
        ("student.model={family: transformers}", "expected a source of weights, or a config"),
        ("distill.logits=l2", "no kind 'l2'; expected one of bounded, cross_entropy"),
        ("distill.logits={intent: kl}", "no 'urgent'"),
        ("distill.logits={intent: kl, urgent: {kind: kl, beta: 8}}", "unknown key"),
        ("distill.temperature=0", "expected more than 0"),
        ("distill.balance={kind: static, weights: {intent: 1}}", "no 'urgent'"),
        ("distill.balance=pcgrd", "no kind 'pcgrd'; did you mean"),
        ("distill.features=[{teacher: bog, from: a, to: b}]", "no teacher 'bog'"),
        ("distill.features=[{teacher: big, from: a}]", "the key 'to' is missing"),
        ("distill.features=[{teacher: big, from: a, to: b, loss: l1}]", "no kind 'l1'"),
        ("validate.max_drop={intent: 0.1, urgnt: 0.1}", "no task 'urgnt'"),
        ("validate.confidence=95", "expected less than 1"),
        ("validate.confidence=0.5", "expected more than 0.5, found 0.5"),
        ("validate.confidence='0.9'", "expected a number"),
        ("validate.max_dorp=1", "unknown key; did you mean 'max_drop'?"),
        ("nothing", "expected KEY.KEY=VALUE"),
        ("=1", "expected KEY.KEY=VALUE"),
        ("train..lr=1", "expected KEY.KEY=VALUE"),
        ("name.first=x", "name: expected a text, found a mapping"),
        ("version.first=x", "version is 1: it has no 'first' to set"),
        ("teachers.huge.tasks=[]", "teachers has no item 'huge'; it has big"),
        ("teachers.7.tasks=[]", "teachers has no item '7'"),
        ("train.lr=[1", "no valid YAML"),
        ("train.lr=${NOTHING}", "NOTHING is not set"),
    ],
)
def test_every_mistake_has_its_message(
    problems: Problems, small: str, override: str, says: str
) -> None:
    found = problems(small, override)
    assert any(says in str(problem) for problem in found), found


def test_a_teacher_is_trained_or_loaded(problems: Problems, small: str) -> None:
    found = problems(small, "teachers.big={name: big}", "teachers.big.checkpoint=x")
    assert [problem.message for problem in found] == ["the key 'model' is missing"]
    found = problems(small, "teachers.big.checkpoint=x", "teachers.big.train.epochs=1")
    assert "found both" in found[0].message


_OTHER = "  - {name: other, tasks: [intent], model: {family: transformers, source: x}}\n"


def test_a_task_has_one_teacher_or_says_how_several_are_joined(
    problems: Problems, load: Load, small: str
) -> None:
    several = edited(small, "student:", f"{_OTHER}student:")
    refused = (
        "'intent' has several teachers: big, other; let one of them name it under `tasks`, or say"
        " how they answer together (distill.join: mean, confidence or skill)"
    )
    for join in ("none", "{intent: none, urgent: mean}"):
        found = problems(several, f"distill.join={join}")
        assert {problem.message for problem in found} == {refused}
    assert {problem.message for problem in problems(several)} == {refused}
    for join in ("mean", "{kind: skill, power: 2.0}", "{intent: confidence, urgent: none}"):
        recipe = load(several, f"distill.join={join}").recipe
        assert [one.name for one in recipe.teachers_of("intent")] == ["big", "other"]
        assert [one.name for one in recipe.teachers_of("urgent")] == ["big"]


def test_a_map_of_joins_names_every_task(problems: Problems, small: str) -> None:
    several = edited(small, "student:", f"{_OTHER}student:")
    found = problems(several, "distill.join={intent: mean}")
    assert [one.message for one in found] == ["a map by task names every task; no 'urgent'"]
    found = problems(several, "distill.join={intent: mean, urgnt: mean}")
    assert "no task 'urgnt'; did you mean 'urgent'?" in [one.message for one in found]


def test_only_a_fresh_table_can_be_cut(problems: Problems, load: Load, small: str) -> None:
    cut = "inputs.text.tokenizer={path: tokenizer.json, vocab: cut}"
    load(small, cut)
    load(small, "student.model.source=weights")
    found = problems(small, cut, "student.model.source=weights")
    assert "write keep" in found[0].message


def test_token_tasks_need_words(problems: Problems, load: Load, small: str) -> None:
    image = "inputs.photo={kind: image, size: [8, 8]}"
    tagged = "tasks.ner=token_classification"
    joint = f"{{encoders: {{text: {_BERT}, photo: {_CNN}}}}}"
    models = f"student.model={joint}", f"teachers.0.model={joint}"
    assert load(small, image, tagged, *models).recipe.tasks["ner"].model_dump()["input"] == "text"
    labelled = "tasks.ner={kind: token_classification, input: photo}"
    found = problems(small, image, labelled, *models)
    assert "'photo' has no words" in found[0].message
    words = "inputs.words={kind: tokens, tokenizer: {path: x}}"
    found = problems(small, words, tagged)
    assert found[0].message == "the key 'input' is missing"


def test_labels_a_word_are_for_the_words_that_came_with_them(
    problems: Problems, load: Load, small: str
) -> None:
    tagged = "tasks.ner=token_classification"
    words = "data.sources.rows.words={tokens: text}"
    more = "data.unlabelled=[{name: more, kind: jsonl, train: x, words: {tokens: text}}]"
    assert load(small, tagged, more).recipe.data.unlabelled[0].name == "more"
    load(small, words)  # labels a row do not mind
    found = problems(small, tagged, words)
    assert found[0].field == "data.sources.0.words"
    assert "'ner' has a label a word" in found[0].message


def test_alpha_0_needs_no_teacher(load: Load, small: str) -> None:
    recipe = load(small, "teachers=[]", "distill.alpha=0").recipe
    assert recipe.teachers_of("intent") == ()
    load(small, "teachers.big.tasks=[intent]", "distill.alpha={intent: 1, urgent: 0}")


def test_overrides_replace_add_and_read_yaml(load: Load, small: str) -> None:
    recipe = load(
        small,
        "train.lr=1e-4",
        "train.clip_norm=",
        "teachers.big.train.epochs=3",
        "teachers.0.model.dropout=0",
        "data.sources.rows.test=[a, b]",
        "distill={alpha: 1, temperature: 2}",
        "distill.alpha=0.5",
        "name=a=b".replace("=b", "-b"),
    ).recipe
    assert recipe.train.lr == 1e-4
    assert recipe.train.clip_norm is None
    assert recipe.teachers[0].train is not None
    assert recipe.teachers[0].train.epochs == 3
    model = recipe.teachers[0].model
    assert isinstance(model, TransformersModel)
    assert model.dropout == 0
    assert recipe.data.sources[0].splits()["test"] == ("a", "b")
    assert recipe.distill.alpha == 0.5
    assert recipe.name == "a-b"


def test_problems_of_overrides_name_the_command_line(problems: Problems, small: str) -> None:
    found = problems(small, "train.lr=x", "train.lrr=1", "version=3")
    assert [str(problem) for problem in found] == [
        "--set: version: written for a newer kd2edge (version 3): install that",
        "--set: train.lr: expected a number, found 'x'",
        "--set: train.lrr: unknown key; did you mean 'lr'?",
    ]


def test_relative_paths_start_at_the_recipes_folder(
    load: Load, small: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir("/")
    root = edited(small, "data:\n", "data:\n  root: rows/../data\n")
    assert load(root).recipe.data.root == tmp_path / "data"
    assert load(small, "data.root=~/rows").recipe.data.root == tmp_path / "home" / "rows"
    assert load(small, "data.root=/rows").recipe.data.root == Path("/rows")
    package = "inputs.text.tokenizer={package: p, path: a/tokenizer.json}"
    assert load(small, package).recipe.model_dump()["inputs"]["text"]["tokenizer"]["path"] == (
        "a/tokenizer.json"
    )


def test_files_are_looked_for_when_asked(
    load: Load, problems: Problems, small: str, tmp_path: Path
) -> None:
    load(small)
    for name in ("train.jsonl", "val.jsonl", "test.jsonl", "tokenizer.json"):
        (tmp_path / name).touch()
    found = problems(small, check_files=True)
    assert [(p.line, p.column, p.message) for p in found] == [
        (13, 43, f"no folder {tmp_path / 'weights'}")
    ]
    (tmp_path / "weights").mkdir()
    load(small, check_files=True)
    found = problems(small, "data.root=nowhere", check_files=True)
    gone = tmp_path / "nowhere"
    assert [str(p) for p in found] == [
        f"--set: data.root: no folder {gone}: name another one (--set data.root=...)"
    ]


def test_later_problems_find_their_place(load: Load, small: str) -> None:
    loaded = load(small, "train.lr=1e-4")
    problem = loaded.problem("data.sources.0.train", "17 rows lack a label")
    assert (problem.line, problem.column) == (5, 40)
    assert problem.field == "data.sources.0.train"
    assert loaded.problem("tasks.intent.labels", "x").line == 9  # where it would stand
    assert loaded.problem("train.lr", "x").file == "--set"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "it is empty"),
        (b"[]", "expected a mapping of keys"),
        (b"word", "expected a mapping of keys"),
        (b"a: b\n\xff", "recipe.yaml:2:1: is not UTF-8 text"),
        (b"a" * (2 << 20), "at most"),
    ],
)
def test_files_that_are_no_recipe(tmp_path: Path, content: bytes, says: str) -> None:
    (tmp_path / "recipe.yaml").write_bytes(content)
    with pytest.raises(RecipeError, match=says):
        load_recipe(tmp_path / "recipe.yaml")


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="nothing.yaml: cannot be read: No such file"):
        load_recipe(tmp_path / "nothing.yaml")
    with pytest.raises(RecipeError, match="cannot be read"):
        load_recipe(tmp_path)


def test_a_byte_order_mark_is_fine(tmp_path: Path, small: str) -> None:
    (tmp_path / "recipe.yaml").write_text(small, encoding="utf-8-sig")
    assert load_recipe(tmp_path / "recipe.yaml").recipe.name == "small"


def test_the_environment_is_that_of_the_process(
    tmp_path: Path, small: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(edited(small, "name: small", "name: ${RECIPE_NAME}"), encoding="utf-8")
    monkeypatch.setenv("RECIPE_NAME", "from-outside")
    assert load_recipe(path).recipe.name == "from-outside"


PATHS = st.sampled_from(
    ["version", "name", "data", "data.root", "data.sources", "data.sources.0", "data.unlabelled"]
    + ["inputs", "inputs.text", "inputs.text.tokenizer", "inputs.text.columns", "tasks"]
    + ["tasks.intent", "tasks.intent.labels", "tasks.urgent.positive", "teachers", "teachers.0"]
    + ["teachers.0.model", "teachers.0.model.source", "teachers.0.tasks", "teachers.0.inputs"]
    + ["student", "student.init", "distill.alpha", "distill.logits", "distill.features"]
    + ["distill.balance", "train.lr", "export.targets", "validate.max_drop", "licences", "<kl>"]
)
VALUES = st.recursive(
    st.sampled_from(
        [
            "null",
            "true",
            "1",
            "-1",
            "0.5",
            "1e9",
            "x",
            "text",
            "kl",
            "''",
            "big",
            "intent",
            "'<kl>'",
        ]
    ),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]")
        | st.dictionaries(
            st.sampled_from(["kind", "name", "from", "path", "tasks", "intent", "<one>", "family"]),
            inner,
            max_size=3,
        ).map(lambda items: "{" + ", ".join(f"{k}: {v}" for k, v in items.items()) + "}")
    ),
    max_leaves=5,
)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60
)
@given(st.dictionaries(PATHS, VALUES, min_size=1, max_size=3))
def test_any_change_gives_a_recipe_or_our_error(
    load: Load, small: str, changes: dict[str, Any]
) -> None:
    overrides = [f"{path}={value}" for path, value in changes.items()]
    try:
        loaded = load(small, *overrides)
    except RecipeError as error:
        assert all(problem.message for problem in error.problems)  # noqa: PT017
    else:
        assert load(loaded.dump_resolved()).recipe == loaded.recipe


def test_no_run_is_called_like_the_link_to_the_latest_one(problems: Problems, small: str) -> None:
    (found,) = problems(edited(small, "name: small", "name: latest"))
    assert (found.line, found.field) == (2, "name")
    assert "runs/latest points to the latest run" in found.message


@pytest.mark.parametrize("option", ["split", "builder"])
def test_options_of_a_builder_cannot_choose_the_split(
    option: str, problems: Problems, small: str
) -> None:
    source = f"{{name: rows, kind: builtin, builder: multimnist, options: {{{option}: test}}}}"
    begin, end = small.index("    - {name: rows"), small.index("inputs:")
    (found,) = problems(f"{small[:begin]}    - {source}\n{small[end:]}")
    assert found.field == f"data.sources.0.options.{option}"
    assert "is no option" in found.message


def test_seeds_fit_the_generators(problems: Problems, load: Load, small: str) -> None:
    largest = 2**63 - 1
    assert load(f"{small}seed: {largest}\n").recipe.seed == largest
    (found,) = problems(f"{small}seed: {largest + 1}\n")
    assert found.message == f"expected at most {largest}, found {largest + 1}"


def test_the_folder_of_somebody_unknown_is_a_file_that_is_not_there(
    problems: Problems, small: str
) -> None:
    text = edited(small, "train: train.jsonl", "train: ~nobody-here/x.jsonl")
    found = [one.message for one in problems(text, check_files=True)]
    assert any("~nobody-here/x.jsonl" in message for message in found)


IMAGES = """\
version: 1
name: images
data:
  sources:
    - {name: rows, kind: jsonl, train: train.jsonl, validation: val.jsonl, test: test.jsonl}
inputs:
  photo: {kind: image, size: [28, 48], augment: shift}
tasks:
  thing: classification
teachers:
  - name: big
    model: {family: cnn, config: {channels: [8]}}
    inputs:
      photo: {kind: image, size: [28, 48]}
student:
  model: {family: cnn, config: {channels: [4]}}
"""


def test_a_teacher_is_shown_the_student_s_views(load: Load, problems: Problems) -> None:
    assert load(IMAGES).recipe.teachers[0].inputs is not None
    own = "photo: {kind: image, size: [28, 48]}"
    (found,) = problems(edited(IMAGES, own, f"{own[:-1]}, augment: shift}}"))
    assert found.field == "teachers.0.inputs.photo.augment"
    larger = edited(IMAGES, own, "photo: {kind: image, size: [56, 96]}")
    (found,) = problems(larger)
    assert found.field == "teachers.0.inputs.photo.size"
    assert "expected [28, 48]" in found.message
    # Without other views each may see the picture at its own size.
    load(edited(larger, ", augment: shift", ""))


def test_changes_of_a_picture_are_one_or_a_list(load: Load) -> None:
    def kinds(augment: str) -> list[str]:
        photo = load(edited(IMAGES, "augment: shift", f"augment: {augment}")).recipe.inputs["photo"]
        assert isinstance(photo, ImageInput)
        assert photo.views == 4
        return [one.kind for one in photo.changes]

    assert kinds("crop") == ["crop"]
    assert kinds("{kind: erase, fill: mean}") == ["erase"]
    assert kinds("[crop, {kind: flip, probability: 1}, erase]") == ["crop", "flip", "erase"]


@pytest.mark.parametrize(
    ("augment", "field", "said"),
    [
        ("[crop, spin]", "augment.1", "no kind 'spin'"),
        ("[]", "augment", "at least 1 items, found 0"),
        ("{kind: crop, area: [0.8, 0.2]}", "augment.area", "found 0.8 before 0.2"),
        ("{kind: crop, area: [0, 0.2]}", "augment.area.0", "more than 0"),
        ("{kind: crop, area: 0.2}", "augment.area", "expected a list"),
        ("{kind: crop, aspect: 1.5}", "augment.aspect", "at most 1"),
        ("{kind: erase, area: [0.1, 1.2]}", "augment.area.1", "at most 1"),
        ("{kind: erase, probability: 0}", "augment.probability", "more than 0"),
        ("{kind: erase, fill: black}", "augment.fill", "expected 'noise' or 'mean'"),
        ("{kind: flip, views: 3}", "augment.views", "unknown key"),
        ("flip, views: 1", "views", "at least 2"),
    ],
)
def test_changes_that_cannot_be_are_refused(
    problems: Problems, augment: str, field: str, said: str
) -> None:
    (found,) = problems(edited(IMAGES, "augment: shift", f"augment: {augment}"))
    assert found.field == f"inputs.photo.{field}"
    assert said in found.message


def test_only_pictures_are_changed(problems: Problems) -> None:
    table = "inputs:\n  row: {kind: tabular, numeric: [a], augment: flip}\n"
    (found,) = problems(
        edited(IMAGES, "inputs:\n  photo: {kind: image, size: [28, 48], augment: shift}\n", table)
    )
    assert found.field == "inputs.row.augment"
    assert "unknown key" in found.message


def test_pictures_of_one_row_have_as_many_views_and_a_column_one_look(problems: Problems) -> None:
    photo = "  photo: {kind: image, size: [28, 48], augment: shift}\n"
    other = "  other: {kind: image, size: [28, 48], COLUMN, augment: AUGMENT}\n"

    def found(column: str, augment: str) -> list[tuple[str | None, str]]:
        more = other.replace("COLUMN", f"columns: {column}").replace("AUGMENT", augment)
        joint = "model: {encoders: {photo: X, other: X}, fusion: concat}"
        text = edited(IMAGES, photo, photo + more)
        for channels in (8, 4):
            cnn = f"model: {{family: cnn, config: {{channels: [{channels}]}}}}"
            text = edited(text, cnn, joint.replace("X", cnn.removeprefix("model: ")))
        text = edited(
            text,
            "      photo: {kind: image, size: [28, 48]}\n",
            f"      photo: {{kind: image, size: [28, 48]}}\n"
            f"      other: {{kind: image, size: [28, 48], columns: {column}}}\n",
        )
        return [(one.field, one.message) for one in problems(text)]

    every = "expected as many views of every image, found 3, 4"
    assert found("back", "flip, views: 3") == [
        ("inputs.photo.views", every),
        ("inputs.other.views", every),
    ]
    ((field, message),) = found("photo", "flip")
    assert field == "inputs.other.augment"
    assert "another input reads the column 'photo'" in message


@pytest.mark.parametrize(
    "text",
    [
        "{" + ", ".join(f"epochz{at}: {at}" for at in range(9000)) + "}",
        "{" + "a, " * 9000 + "}",
        "{" + ",".join("a" * 75_000) + "}",
        "{version: 1, data: {sources: [" + "{kindd: x}, " * 6000 + "]}}",
    ],
)
def test_a_hundred_problems_are_told_and_the_rest_counted(problems: Problems, text: str) -> None:
    found = problems(text)
    assert len(found) <= 101
    if len(found) > 100:
        assert re.fullmatch(r"and [\d,]+ more problems", found[-1].message)
    else:
        assert "more than 20,000 keys and values" in found[0].message


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("{name: a, kind: csv, delimiter: ';', train: a.csv}", "it belongs under 'options'"),
        (
            "{name: a, kind: conll, train: a.txt, options: {scheme: iob1}}",
            "it belongs beside 'options', not under it",
        ),
        ("{name: a, kind: csv, options: {delimiterr: ';'}, train: a.csv}", "did you mean 'deli"),
    ],
)
def test_an_unknown_key_that_another_part_has_says_where_it_belongs(
    problems: Problems, small: str, source: str, said: str
) -> None:
    text = re.sub(r"(sources:\n *- )\{.*\}", lambda found: found[1] + source, small)
    assert text != small
    assert any("unknown key; " + said in problem.message for problem in problems(text))


def _two(model: str, teacher: str = "") -> str:
    return f"""\
version: 1
name: two
data: {{sources: [{{name: a, kind: jsonl, train: a, validation: b, test: c}}]}}
inputs:
  text: {{kind: text, tokenizer: {{path: tokenizer.json}}}}
  picture: {{kind: image, size: [8, 8]}}
tasks: {{mood: {{kind: classification, metric: accuracy}}}}
{teacher}
student: {{model: {model}}}
distill: {{alpha: {0.5 if teacher else 0}}}
"""


_BERT = "{family: transformers, config: {model_type: bert}}"
_CNN = "{family: cnn, config: {channels: [4]}}"


def test_several_inputs_have_an_encoder_each(load: Load) -> None:
    model = f"{{encoders: {{text: {_BERT}, picture: {_CNN}}}, fusion: gated}}"
    found = load(_two(model)).recipe.student.model
    assert found.family == "joint"
    assert found.fusion.kind == "gated"
    assert [one.family for one in found.encoders.values()] == ["transformers", "cnn"]


@pytest.mark.parametrize(
    ("model", "field", "says"),
    [
        (_BERT, "", "it reads one input and is given text, picture: state `encoders`"),
        (
            f"{{encoders: {{text: {_BERT}, sound: {_BERT}}}}}",
            ".encoders.sound",
            "no input 'sound'; it is given text, picture",
        ),
        (
            f"{{encoders: {{text: {_BERT}, sound: {_BERT}}}}}",
            ".encoders",
            "nothing reads the input 'picture': state its encoder",
        ),
        (
            f"{{encoders: {{text: {_BERT}, picture: {{family: cnn}}}}}}",
            ".encoders.picture.config",
            "expected channels",
        ),
    ],
)
def test_every_input_is_read_by_one(problems: Problems, model: str, field: str, says: str) -> None:
    found = problems(_two(model))
    assert any(one.field == f"student.model{field}" and says in one.message for one in found), found


def test_a_teacher_may_lack_an_input_once_it_says_so(problems: Problems, load: Load) -> None:
    joint = f"{{encoders: {{text: {_BERT}, picture: {_CNN}}}}}"
    lacks = f"teachers: [{{name: old, model: {_BERT}}}]"
    (found,) = problems(_two(joint, lacks))
    assert found.field == "teachers.0.model"
    assert "or give the teacher `inputs` of its own" in found.message
    own = "inputs: {text: {kind: text, tokenizer: {path: tokenizer.json}}}"
    loaded = load(_two(joint, f"teachers: [{{name: old, model: {_BERT}, {own}}}]"))
    assert loaded.recipe.teachers[0].inputs


@pytest.mark.parametrize(
    ("settings", "field", "says"),
    [
        (["inputs.text.absent=0.1"], "inputs.text.absent", "it is the only input"),
        (["inputs.text.absent=1.5"], "inputs.text.absent", "less than 1"),
        (["inputs.text.absent=often"], "inputs.text.absent", "number"),
        (
            [
                "inputs.text.absent=true",
                "inputs.more={kind: text, tokenizer: {path: x}}",
                "tasks.ner={kind: token_classification, input: text}",
            ],
            "inputs.text.absent",
            "a task labels the words of 'text'",
        ),
    ],
)
def test_what_may_be_absent(
    problems: Problems, small: str, settings: list[str], field: str, says: str
) -> None:
    found = problems(small, *settings)
    assert any(one.field == field and says in one.message for one in found), found
