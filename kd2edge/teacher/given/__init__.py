"""Teachers that somebody has already: asked for the rows' own inputs, and never trained."""

from __future__ import annotations

from kd2edge.teacher.given.cells import Cells
from kd2edge.teacher.given.estimator_file import EstimatorFiles, estimator_files
from kd2edge.teacher.given.feeds import ArrayFeed, ColumnsFeed, Feed, ZerosFeed
from kd2edge.teacher.given.graph_file import GraphFile, graph_file
from kd2edge.teacher.given.named_object import NamedObject, named_object
from kd2edge.teacher.given.onnx_teacher import OnnxTeacher
from kd2edge.teacher.given.python_teacher import PythonTeacher, RowTeacher
from kd2edge.teacher.given.said import Said, require_same_labels
from kd2edge.teacher.given.scores import Question, question
from kd2edge.teacher.given.sklearn_teacher import SklearnTeacher

__all__ = [
    "ArrayFeed",
    "Cells",
    "ColumnsFeed",
    "EstimatorFiles",
    "Feed",
    "GraphFile",
    "NamedObject",
    "OnnxTeacher",
    "PythonTeacher",
    "Question",
    "RowTeacher",
    "Said",
    "SklearnTeacher",
    "ZerosFeed",
    "estimator_files",
    "graph_file",
    "named_object",
    "question",
    "require_same_labels",
]
