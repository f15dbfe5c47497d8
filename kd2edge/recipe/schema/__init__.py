"""The recipe's schema: frozen, unknown keys refused.  A recipe's defaults stand here."""

from __future__ import annotations

from kd2edge.recipe.schema.balance import Static, Uncertainty
from kd2edge.recipe.schema.choices import by_task
from kd2edge.recipe.schema.data import Builtin, Conll, Csv, Data, Jsonl, Parquet, Source
from kd2edge.recipe.schema.distill import Distill
from kd2edge.recipe.schema.features import Feature
from kd2edge.recipe.schema.feed import Feed
from kd2edge.recipe.schema.given import OnnxModel, PythonModel, SklearnModel
from kd2edge.recipe.schema.inputs import (
    ImageInput,
    Input,
    TabularInput,
    TextInput,
    TokenizerFile,
    TokenizerInPackage,
    TokenizerLearned,
    TokenizerOfTeacher,
    TokensInput,
)
from kd2edge.recipe.schema.logits import LogitLoss
from kd2edge.recipe.schema.models import (
    BoostingModel,
    CnnModel,
    ConvModel,
    GivenModel,
    Init,
    InitOfRun,
    JointModel,
    MlpModel,
    Model,
    NoNet,
    StaticModel,
    Student,
    Teacher,
    TeacherModel,
    TransformersModel,
    WeightsFolder,
    WeightsInPackage,
    WeightsOfHub,
)
from kd2edge.recipe.schema.mutual import Mutual, Peer
from kd2edge.recipe.schema.phases import Phase
from kd2edge.recipe.schema.recipe import Recipe, json_schema
from kd2edge.recipe.schema.reference import BoostedTrees, TfIdf
from kd2edge.recipe.schema.ship import Calibration, Export, Gate, Licences
from kd2edge.recipe.schema.tasks import (
    Binary,
    Classification,
    MultiLabel,
    OfInput,
    Ordinal,
    Regression,
    Task,
    TokenClassification,
)
from kd2edge.recipe.schema.train import TeacherTrain, Train, TrainPart

__all__ = [
    "Binary",
    "BoostedTrees",
    "BoostingModel",
    "Builtin",
    "Calibration",
    "Classification",
    "CnnModel",
    "Conll",
    "ConvModel",
    "Csv",
    "Data",
    "Distill",
    "Export",
    "Feature",
    "Feed",
    "Gate",
    "GivenModel",
    "ImageInput",
    "Init",
    "InitOfRun",
    "Input",
    "JointModel",
    "Jsonl",
    "Licences",
    "LogitLoss",
    "MlpModel",
    "Model",
    "MultiLabel",
    "Mutual",
    "NoNet",
    "OfInput",
    "OnnxModel",
    "Ordinal",
    "Parquet",
    "Peer",
    "Phase",
    "PythonModel",
    "Recipe",
    "Regression",
    "SklearnModel",
    "Source",
    "Static",
    "StaticModel",
    "Student",
    "TabularInput",
    "Task",
    "Teacher",
    "TeacherModel",
    "TeacherTrain",
    "TextInput",
    "TfIdf",
    "TokenClassification",
    "TokenizerFile",
    "TokenizerInPackage",
    "TokenizerLearned",
    "TokenizerOfTeacher",
    "TokensInput",
    "Train",
    "TrainPart",
    "TransformersModel",
    "Uncertainty",
    "WeightsFolder",
    "WeightsInPackage",
    "WeightsOfHub",
    "by_task",
    "json_schema",
]
