"""Other libraries beside this one: what runs without an environment of theirs."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import beside_distillers
import beside_libmtl
import beside_model2vec
import beside_spacy
import numpy as np
import pytest
import timing
from beside import environment, page, process
from beside.judged import OURS, compared
from beside.process import Side, SideError, cleaned
from beside.sides import nets

from kd2edge.tasks.spec import Decoded, TaskName, TaskSpec, Truth
from products import Product

_SIDE = """\
import sys
sys.path.insert(0, {sides!r})
from serve import serve, setting
print("a library says hello")
GIVEN = setting()
def count(many):
    print("and goes on")
    if many < 0:
        raise ValueError(f"/home/of/somebody/rows.json: {{many}} of {{GIVEN['what']}}")
    return many
def leave():
    raise SystemExit("gone")
serve({{"count": count, "leave": leave}}, ("numpy", "no-such-library"))
"""


@pytest.fixture
def side(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    script = tmp_path / "some.py"
    script.write_text(_SIDE.format(sides=str(process.SIDES)), encoding="utf-8")
    monkeypatch.setattr(process, "SIDES", tmp_path)
    with Side(sys.executable, "some", what="rows") as one:
        yield one


def test_a_side_answers_though_its_library_prints(side: Side):
    answer = side.ask("count", many=3)
    assert answer.value == 3
    assert 0 < answer.seconds < 10
    assert side.ask("versions").value == {
        "numpy": np.__version__,
        "no-such-library": "not installed",
    }


def test_a_turn_is_the_seconds_of_one(side: Side, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(side, "ask", lambda what, many: process.Answer(many, 12.0))
    turn = side.turns("count", [{"many": 2}, {"many": 3}])
    assert [turn(), turn(), turn()] == [6.0, 4.0, 6.0]


def test_what_a_side_raises_is_a_reason_without_paths(side: Side):
    with pytest.raises(SideError, match=r"^some: ValueError: rows\.json: -1 of rows$"):
        side.ask("count", many=-1)
    assert side.ask("count", many=1).value == 1  # it goes on
    with pytest.raises(SideError, match="some ended: gone"):
        side.ask("leave")
    with pytest.raises(SideError, match="some ended"):
        side.ask("count", many=1)


def test_a_side_has_one_thread_and_no_packages_of_ours(
    side: Side, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PYTHONPATH", "somewhere")
    (tmp_path / "seen.py").write_text(
        f"import os, sys; sys.path.insert(0, {str(Path(process.__file__).parent / 'sides')!r})\n"
        "from serve import serve\nserve({'seen': lambda: dict(os.environ)})\n",
        encoding="utf-8",
    )
    with Side(sys.executable, "seen") as other:
        seen = other.ask("seen").value
    assert seen["OMP_NUM_THREADS"] == seen["RAYON_NUM_THREADS"] == "1"
    assert "PYTHONPATH" not in seen


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("file:///opt/wheels/x/torch.whl is not there", "torch.whl is not there"),
        ("no path at all, 3/4 of it", "no path at all, 3/4 of it"),
        ("'/a/b/c.txt': gone", "'c.txt': gone"),
    ],
)
def test_paths_keep_their_last_part(said: str, kept: str):
    assert cleaned(said) == kept


def test_an_environment_is_made_once_and_again_for_other_pins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    pins, made = tmp_path / "pins", tmp_path / "made"
    pins.mkdir()
    (pins / "other.txt").write_text("other==1\n", encoding="utf-8")
    ran: list[tuple[str, ...]] = []

    def run(*words: str) -> None:
        ran.append(words)
        if words[1:3] == ("-m", "venv"):
            Path(words[3], "pyvenv.cfg").touch()

    monkeypatch.setattr(environment, "PINS", pins)
    monkeypatch.setattr(environment, "_run", run)
    python = environment.python_of("other", made)
    assert python == made / "other" / "bin" / "python"
    assert ran[0][1:] == ("-m", "venv", str(made / "other"))
    assert ran[-1][-2:] == ("-r", str(pins / "other.txt"))
    many = len(ran)
    environment.python_of("other", made)
    assert len(ran) == many
    (pins / "other.alone.txt").write_text("weights==2\n", encoding="utf-8")
    environment.python_of("other", made)
    assert "--no-deps" in ran[-1]
    with pytest.raises(SideError, match="no folder of environments was given"):
        environment.python_of("other", None)


def test_an_environment_that_cannot_be_made_says_why_and_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    real = environment._run
    tried: list[str] = []

    def run(*words: str) -> None:
        if words[1:3] == ("-m", "venv"):
            Path(words[3], "pyvenv.cfg").touch()
            tried.append(words[3])
            return
        text = "print('hint: ...', 'ERROR: no /a/b/x.whl', 'bye', sep='\\n', file=sys.stderr)"
        real(sys.executable, "-c", f"import sys; {text}; sys.exit(1)")

    monkeypatch.setattr(environment, "_run", run)
    for _ in range(2):
        with pytest.raises(
            SideError, match=r"^its environment could not be made: ERROR: no x\.whl$"
        ):
            environment.python_of("spacy", tmp_path)
    assert tried == [str(tmp_path / "spacy")] * 2
    half = (tmp_path / "spacy" / environment._MADE_OF).read_text(encoding="utf-8")
    assert half != environment.pins("spacy")


def test_what_is_no_environment_is_not_removed(tmp_path: Path):
    kept = tmp_path / "spacy" / "notes.txt"
    kept.parent.mkdir()
    kept.write_text("of somebody", encoding="utf-8")
    with pytest.raises(SideError, match="spacy is there and was not made here"):
        environment.python_of("spacy", tmp_path)
    assert kept.is_file()


def test_every_environment_pins_exact_versions():
    files = sorted(environment.PINS.glob("*.txt"))
    assert files
    for path in files:
        for line in path.read_text(encoding="utf-8").splitlines():
            assert not line or line.startswith("#") or "==" in line, f"{path.name}: {line}"


def test_bounds_of_a_median_of_ratios_are_its_order_statistics():
    one = timing.Times((1.0,) * 20)
    other = timing.Times(tuple(float(at) for at in range(1, 21)))
    # David and Nagaraja's table: of 20 the 6th and the 15th hold the median with 95.9 %.
    assert timing.interval(other, one) == (6.0, 15.0)
    few, same = timing.Times((8.0, 1.0, 4.0, 2.0, 16.0)), timing.Times((1.0,) * 5)
    assert timing.interval(few, same) == (1.0, 16.0)
    # Both in the outermost fifths: 2 * (1 + 5) / 32 = 0.375.
    assert timing.interval(few, same, confidence=0.62) == (2.0, 8.0)
    assert timing.interval(few, same, confidence=0.63) == (1.0, 16.0)


_SPEC = TaskSpec(TaskName("intent"), "classification", ("a", "b", "oos"), "accuracy")
_SPLITS = {
    "train": {"text": ["x", "y", "z"], "intent": ["a", "b", "oos"], "domain": ["m", "m", "oos"]},
    "validation": {"text": ["x", "y", "z", "w"], "intent": ["a", "b", "oos", "oos"]},
    "test": {
        "text": ["p", "q", "r", "s"],
        "intent": ["a", "b", "oos", "b"],
        "domain": ["m", "m", "oos", "m"],
    },
}


def logits(*rows: tuple[float, float, float]) -> dict[str, Any]:
    return {"intent": np.log(np.array(rows, np.float32))}


def test_gains_are_ours_over_the_other_s_on_the_same_rows():
    truth = Truth(np.array([0, 1, 2, 1] * 50))
    ours = Decoded(np.array([0, 1, 2, 1] * 50), np.zeros((200, 3), np.float32))
    other = Decoded(np.array([0, 1, 1, 1] * 50), np.zeros((200, 3), np.float32))
    found = compared(_SPEC, truth, {OURS: ours, "other": other}, ["accuracy"], np.arange(200))
    one = found["accuracy"]
    assert one[OURS] == {"value": 1.0}
    assert one["other"]["value"] == 0.75
    assert one["other"]["gain"]["value"] == 0.25
    assert 0 < one["other"]["gain"]["low"] < 0.25 < one["other"]["gain"]["high"]
    assert one["other"]["gain"]["p"] < 0.01


def test_each_side_gets_a_threshold_from_its_own_validation_rows():
    sure = logits((0.9, 0.05, 0.05), (0.05, 0.9, 0.05), (0.4, 0.35, 0.25), (0.4, 0.3, 0.3))
    flat = logits((0.5, 0.25, 0.25), (0.25, 0.5, 0.25), (0.4, 0.35, 0.25), (0.36, 0.34, 0.3))
    test = logits((0.6, 0.2, 0.2), (0.2, 0.7, 0.1), (0.4, 0.35, 0.25), (0.2, 0.45, 0.35))
    scored = {
        OURS: {"validation": sure, "test": test},
        "other": {"validation": flat, "test": test},
    }
    found = beside_model2vec.judged({"intent": _SPEC}, _SPLITS, scored, "oos", 0.5)["intent"]
    assert found["plain"]["accuracy"][OURS]["value"] == 0.75  # nobody says oos by itself
    limits = found["thresholds"]["rejecting"]
    assert 0.4 < limits[OURS] <= 0.9
    assert 0.4 < limits["other"] <= 0.5
    for side in (OURS, "other"):
        said = [
            at if top >= limits[side] else 2
            for at, top in ((0, 0.6), (1, 0.7), (0, 0.4), (1, 0.45))
        ]
        rejected = found["rejecting"]["out_of_scope_recall"][side]["value"]
        assert rejected == float(said[2] == 2)
        right = np.mean([one == wanted for one, wanted in zip(said, (0, 1, 2, 1), strict=True)])
        assert found["rejecting"]["accuracy"][side]["value"] == pytest.approx(right)
    without = beside_model2vec.judged({"intent": _SPEC}, _SPLITS, scored, "none of them", 0.5)
    assert set(without["intent"]) == {"plain"}


def test_an_aim_keeps_its_share_in_scope_whatever_accuracy_says():
    # Two of four rows in scope are unsure, and one out of scope is surer than these.
    sure = logits(
        (0.9, 0.05, 0.05), (0.05, 0.9, 0.05), (0.4, 0.35, 0.25), (0.35, 0.4, 0.25), (0.6, 0.2, 0.2)
    )
    splits = {
        **_SPLITS,
        "validation": {"text": list("abcde"), "intent": ["a", "b", "a", "b", "oos"]},
    }
    scored = {OURS: {"validation": sure, "test": {"intent": sure["intent"][:4]}}}
    spec = TaskSpec(
        _SPEC.name, _SPEC.kind, _SPEC.labels, _SPEC.metric, decode={"scope_temperature": 4.0}
    )
    keep, all_of_them = (
        beside_model2vec.judged({"intent": spec}, splits, scored, "oos", aim)["intent"]
        for aim in (0.5, 1.0)
    )
    keep, all_of_them = keep["thresholds"], all_of_them["thresholds"]
    assert 0.6 < keep["rejecting at 0.5"][OURS] < 0.9
    assert all_of_them["rejecting at 1"][OURS] <= 0.4 + 1e-6
    # At temperature 4 the same rows lie nearer to a third.
    assert 0.35 < keep["rejecting at 0.5, temperature 4"][OURS] < 0.6


def test_a_task_that_rejects_by_distance_is_held_as_it_was_shipped_too():
    test = logits((0.6, 0.2, 0.2), (0.2, 0.7, 0.1), (0.9, 0.05, 0.05), (0.2, 0.45, 0.35))
    cosines = {"intent.scope": np.array([[0.9], [0.9], [0.2], [0.9]], np.float32)}
    scored = {
        OURS: {"validation": test | cosines, "test": test | cosines},
        "other": {"validation": test, "test": test},
    }
    shipped = {"reject": 2, "least_cosine": 0.5, "prototypes": 3, "in_scope_recall": 0.5}
    spec = TaskSpec(_SPEC.name, _SPEC.kind, _SPEC.labels, _SPEC.metric, decode=shipped)
    found = beside_model2vec.judged({"intent": spec}, _SPLITS, scored, "oos", 0.5)["intent"]
    way = "rejecting at 0.5, ours by distance"
    assert found[way]["accuracy"][OURS] == {"value": 1.0}  # the third row is far from all
    before = found["rejecting at 0.5"]["accuracy"]["other"]["value"]
    assert found[way]["accuracy"]["other"]["value"] == before < 1
    assert found["thresholds"][way][OURS] == 0.5
    assert way not in beside_model2vec.judged({"intent": _SPEC}, _SPLITS, scored, "oos", 0.5)


def test_a_task_that_follows_from_another_is_read_off_it():
    domain = TaskSpec(TaskName("domain"), "classification", ("m", "oos"), "accuracy")
    test = logits((0.1, 0.8, 0.1), (0.2, 0.7, 0.1), (0.4, 0.35, 0.25), (0.2, 0.45, 0.35))
    found = beside_model2vec.derived(
        {"intent": _SPEC, "domain": domain}, _SPLITS, {OURS: {"test": test}}
    )
    # A wrong intent of the right domain is right here; intents do not follow from domains.
    assert found == {"domain of intent": {OURS: 0.75}}


def reported(product: Product, task: str, metric: str) -> float:
    """What the report of its run says of the student."""
    report = json.loads((product.run / "report.json").read_text(encoding="utf-8"))
    return report["splits"]["test"]["tasks"][task]["student"]["metrics"][metric]["value"]


def test_sentences_without_the_other_libraries(text_product: Product):
    found = beside_model2vec.measured(
        text_product.bundle,
        text_product.folder,
        None,
        batches=[1, 4],
        rounds=2,
        artefact="onnx-fp32",
    )
    assert found["sides"]["model2vec"] == {"not_run": "no folder of environments was given"}
    assert found["sides"]["model2vec, int8"]["not_run"].startswith("it is made of model2vec")
    ours = found["sides"][OURS]
    assert ours["artefact"] == "onnx-fp32"
    needed = ("onnx/onnx-fp32.onnx", "tokenizer/text.json", "manifest.json")
    assert ours["bytes"] == sum((text_product.bundle / one).stat().st_size for one in needed)
    wanted = reported(text_product, "intent", "macro_f1")
    assert found["tasks"]["intent"]["plain"]["macro_f1"][OURS]["value"] == pytest.approx(wanted)
    assert [one["batch"] for one in found["calls"]] == [1, 4]
    assert all(one["per_second"][OURS] > 0 and not one["over_ours"] for one in found["calls"])


def test_other_artefacts_are_measured_once_each_and_where_a_bundle_has_them(text_product: Product):
    first = {"sides": {OURS: {"artefact": "onnx-fp32"}}}
    also = ["numpy-int8", "onnx-fp32", "onnx-int8-dynamic"]
    found = beside_model2vec.further(text_product.bundle, first, also)
    assert found == ["onnx-int8-dynamic"]


def test_model2vec_is_quantised_from_what_was_trained_and_trained_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    asked: list[tuple[str, str, dict[str, Any]]] = []

    class Other:
        def __init__(self, python: Path, script: str, **given: Any) -> None:
            self.folder = given["folder"]

        def __enter__(self) -> Any:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def ask(self, what: str, **given: Any) -> process.Answer:
            asked.append((what, Path(self.folder).name, given))
            return process.Answer(None, 1.0)

    monkeypatch.setattr(beside_model2vec, "Side", Other)
    monkeypatch.setattr(environment, "python_of", lambda *_: Path("python"))
    with beside_model2vec.ExitStack() as running:
        for way in beside_model2vec.WAYS.values():
            for to in beside_model2vec.TYPES:
                beside_model2vec._model2vec(None, tmp_path, tmp_path, way, to, 3, running)
    assert asked == [
        ("fit", "own", {"epochs": 3}),
        ("quantise", "own-int8", {"trained": str(tmp_path / "own"), "to": "int8"}),
        ("fit", "shared", {"epochs": 3}),
        ("quantise", "shared-int8", {"trained": str(tmp_path / "shared"), "to": "int8"}),
    ]


@pytest.mark.parametrize(
    ("artefact", "side", "ratio", "ours", "met"),
    [
        ("numpy-int8", "model2vec, int8", 0.8, 100, "yes"),
        ("numpy-int8", "model2vec, int8", 0.79, 100, "**no**"),
        ("numpy-fp32", "model2vec", 2.0, 101, "**no**"),
        ("onnx-fp32", "model2vec", 2.0, 100, ""),
        ("numpy-int8", "distilbert", 2.0, 100, ""),
    ],
)
def test_a_static_student_is_held_against_model2vec_s_speed_and_bytes(
    artefact: str, side: str, ratio: float, ours: int, met: str
):
    sides = {OURS: {"artefact": artefact, "bytes": ours}, side: {"bytes": 300}}
    assert page.static_held({"sides": sides}, side, {"ratio": ratio}) == met


def test_words_without_spacy(token_product: Product):
    found = beside_spacy.measured(
        token_product.bundle, token_product.folder, None, batches=[1, 4], rounds=2,
        artefact="onnx-fp32",
    )  # fmt: skip
    assert found["sides"]["spacy"] == {"not_run": "no folder of environments was given"}
    wanted = reported(token_product, "ner", "entity_f1")
    assert found["tasks"]["ner"]["plain"]["entity_f1"][OURS]["value"] == pytest.approx(wanted)
    assert all(one["per_second"][OURS] > 0 for one in found["calls"])


def test_labels_that_a_task_lacks_are_wrong_and_not_left_out():
    found = beside_spacy.indices(_SPEC, [["a", None], ["unheard"], []], -1)
    assert found.values.tolist() == [0, -1, -1]
    assert found.offsets.tolist() == [0, 2, 3, 3]


def test_steps_without_the_other_libraries(text_product: Product):
    found = beside_distillers.measured(text_product.recipe, None, 32, rounds=2, steps=2)
    assert all(one.get("not_run") for name, one in found["sides"].items() if name != OURS)
    assert found["step"]["task"] == "intent"
    assert set(found["steps_per_second"]) == {OURS, beside_distillers.FP32}
    assert found["losses"][OURS]["apart"] == 0


def test_others_get_our_nets_our_batches_and_our_loss(text_product: Product, tmp_path: Path):
    given = {"recipe": str(text_product.recipe), "folder": str(tmp_path), "rows": 32}
    settings = beside_distillers.overrides(text_product.recipe)
    with Side(sys.executable, "kd2edge_steps", overrides=settings, **given) as ours:
        how, loss = ours.ask("prepare").value, ours.ask("loss").value
    batches = nets.read_batches(tmp_path)
    assert len(batches) == how["steps"] == 2
    student, teacher = (nets.read_net(tmp_path, name) for name in ("student", "teacher"))
    found = nets.apart(tmp_path, student, teacher, batches[0])
    assert found["student"] < 1e-5
    assert found["teacher"] < 1e-3  # the cache is fp16
    with np.load(tmp_path / "given.npz") as arrays:
        own, said, labels = (arrays[name] for name in ("student", "teacher", "labels"))
    assert np.array_equal(labels, batches[0]["labels"].numpy())

    def logs(logits: Any) -> Any:
        values = logits.astype(np.float64)
        return values - np.log(np.exp(values).sum(1, keepdims=True))

    # Hinton et al. 2015: T^2 KL(p || q) of both at temperature T, and the cross entropy.
    p, q = logs(said / 2.0), logs(own / 2.0)
    divergence = (np.exp(p) * (p - q)).sum(1).mean()
    hard = -logs(own)[np.arange(len(labels)), labels].mean()
    assert loss == pytest.approx(0.9 * 4.0 * divergence + 0.1 * hard, abs=1e-6)
    assert beside_distillers.entropy(said / 2.0) == pytest.approx(-(np.exp(p) * p).sum(1).mean())


def test_balancers_beside_torchjd_alone():
    found = beside_libmtl.measured(None, [2, 3], rounds=2, times=1)
    assert found["sides"]["libmtl"] == {"not_run": "no folder of environments was given"}
    calls = {(one["method"], one["count"]): one for one in found["calls"]}
    assert set(calls) == {(name, count) for name in beside_libmtl.METHODS for count in (2, 3)}
    for (method, count), one in calls.items():
        if method == "gradnorm":  # LibMTL's alone
            assert one["not_run"] == {"libmtl": "no library has it here"}
            continue
        assert one["faster"] == "torchjd"
        assert one["norms"][OURS] > 0
        if method == "random" or (method, count) == ("pcgrad", 3):
            assert one["differences"] == {"torchjd": None}
        else:
            assert one["differences"]["torchjd"] < 1e-5


def test_methods_of_losses_are_compared_with_something_in_their_memory(tmp_path: Path):
    """DWA, FAMO and uncertainties weigh all tasks alike at their start: that would show nothing."""
    with Side(sys.executable, "kd2edge_balance", folder=str(tmp_path)) as ours:
        ours.ask("prepare", count=4)
        found = {}
        for method in ("dwa", "famo", "gradnorm", "uncertainty", "geometric"):
            out = tmp_path / "one.safetensors"
            ours.ask("gradient", who=OURS, method=method, count=4, out=str(out))
            gradient = beside_libmtl.load_file(out)["gradient"]
            found[method] = gradient / np.linalg.norm(gradient)
    with np.load(tmp_path / "data4.npz") as arrays:
        assert arrays["remembered"].tolist() == pytest.approx([0.5, 5 / 6, 7 / 6, 1.5])
    names = list(found)
    for at, one in enumerate(names):
        for other in names[at + 1 :]:
            assert np.abs(found[one] - found[other]).max() > 1e-4


@pytest.mark.slow
def test_a_net_of_another_size_in_int8(tmp_path: Path, text_product: Product):
    small = {"dim": 16, "hidden_dim": 16, "n_layers": 1, "n_heads": 2}
    found = beside_model2vec.measured(
        text_product.bundle, text_product.folder, None, batches=[2], rounds=2, distilbert=small
    )
    (call,) = found["calls"]
    assert call["over_ours"]["distilbert"]["ratio"] > 0
    assert found["sides"]["distilbert"]["bytes"] > 16 * 30_000


ORIGIN: Any = {
    "command": "c", "commit": "abc", "versions": {},
    "machine": {"cpu": "CPU", "cores": 2, "os": "Linux", "python": "3.11"},
}  # fmt: skip


@pytest.mark.parametrize(
    ("ratio", "apart", "met"), [(3.6, 1e-6, "yes"), (3.4, 1e-6, "**no**"), (3.6, 2e-5, "**no**")]
)
def test_the_page_holds_steps_and_losses_against_their_limits(ratio: float, apart: float, met: str):
    over = {"ratio": ratio, "interval": [3.0, 4.0]}
    about = {"versions": {"torchdistill": "1.1.5"}, "note": "as it is"}
    recipe = {
        "name": "x", "step": {"precision": "bf16"},
        "sides": {OURS: {}, "torchdistill": about, "late": {"not_run": "no pip"}},
        "over_ours": {"torchdistill": over}, "over_ours_fp32": {"torchdistill": over},
        "steps_per_second": {OURS: 7.0, "torchdistill": 2.0},
        "losses": {OURS: {"apart": 0.0}, "torchdistill": {"apart": apart}},
    }  # fmt: skip
    measured = {"limits": beside_distillers.LIMITS, "recipes": [recipe]}
    text = page.distillers({"beside_distillers": {**ORIGIN, "measured": measured}})
    assert f"| x | torchdistill | 2.00 | 7.00 (bf16) | {ratio:.2f}x (3.00 to 4.00)" in text
    assert f"| {apart:.1e} | {met} |" in text
    assert "| x | late | not run: no pip |" in text
    assert "- torchdistill: torchdistill 1.1.5; as it is." in text


def test_the_page_holds_balancers_against_the_faster_library():
    one = {
        "method": "mgda", "count": 4, "faster": "torchjd", "ratio": 1.05, "interval": [1.0, 1.1],
        "differences": {"libmtl": 0.04, "torchjd": 1e-7},
    }  # fmt: skip
    other = {**one, "differences": {"libmtl": None, "torchjd": None}}
    lost = {"method": "geometric", "count": 4, "not_run": {"libmtl": "gone"}}
    measured = {"limits": beside_libmtl.LIMITS, "sides": {}, "calls": [one, other, lost]}
    text = page.balancers({"beside_libmtl": {**ORIGIN, "measured": measured}})
    assert "| mgda | 4 | torchjd | 1.05x (1.00 to 1.10) | 4.0e-02 | 1.0e-07 | **no** |" in text
    assert "| mgda | 4 | torchjd | 1.05x (1.00 to 1.10) |  |  | yes |" in text
    assert "| geometric | 4 | not run: gone |" in text


def test_a_library_that_fails_is_said_to_have_failed():
    one = {
        "method": "cagrad", "count": 4, "faster": "torchjd", "ratio": 1.0, "interval": [1.0, 1.1],
        "differences": {"torchjd": 1e-7}, "failed": {"libmtl": "ValueError"},
    }  # fmt: skip
    measured = {"limits": beside_libmtl.LIMITS, "sides": {}, "calls": [one]}
    text = page.balancers({"beside_libmtl": {**ORIGIN, "measured": measured}})
    assert "| cagrad | 4 | torchjd | 1.00x (1.00 to 1.10) | failed | 1.0e-07 | yes |" in text


def test_the_page_says_what_did_not_run_and_who_is_ahead():
    gain = {"value": 0.02, "low": 0.01, "high": 0.03, "p": 0.001}
    one = {"accuracy": {OURS: {"value": 0.9}, "model2vec": {"value": 0.88, "gain": gain}}}
    times = {"over_ours": {"model2vec": {"ratio": 2.0, "interval": [1.9, 2.1]}}}
    bundle = {
        "bundle": "x", "tasks": {"intent": {"plain": one}},
        "sides": {OURS: {"bytes": 10}, "model2vec": {"bytes": 2000}, "late": {"not_run": "no pip"}},
        "calls": [{"batch": 1, "per_second": {OURS: 2000.0, "model2vec": 1000.0}, **times}],
        "derived": {"domain of intent": {OURS: 0.95}},
    }  # fmt: skip
    result = {**ORIGIN, "measured": {"bundles": [bundle]}}
    text = page.model2vec({"beside_model2vec": result})
    assert "| x | late | not run: no pip |" in text
    assert "| 0.8800 | 0.9000 | 2.00 (1.00) | yes |" in text
    assert "| 1,000 rows/s | 2,000 rows/s | 2.00x (1.90 to 2.10) | 2,000 | 10 |  |" in text
    assert "kd2edge 0.9500" in text
    assert page.spacy({}).count("not measured yet") == 2
