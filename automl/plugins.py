"""Everything that plug-ins of other packages import, be they families, tasks, executors or kinds of data.

A package offers a model family by an entry point in the group ``automl.families``, a task by one in
``automl.tasks``, a metric by one in ``automl.metrics``, a place where trials run by one in
``automl.executors``, and a kind of data by one in ``automl.modalities``. What is named here stays; the
modules behind it may move. Nothing is loaded before it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from automl.core.lazy_imports import lazy_names

if TYPE_CHECKING:
    from automl.controller.strategy.search_space import SearchSpace
    from automl.controller.strategy.space_files import load_space
    from automl.core.built_in_tasks import (
        BinaryTask,
        ClassificationTask,
        MulticlassTask,
        NumberTask,
        RegressionTask,
    )
    from automl.core.errors import (
        AutoMLError,
        DataError,
        MissingDependencyError,
        ModelFileError,
        StorageError,
        UsageError,
        did_you_mean,
    )
    from automl.core.family import (
        FAMILY_GROUP,
        Cache,
        Family,
        FitContext,
        Fitted,
        Outlook,
        Scope,
        ScoreTerms,
        TrialStopped,
    )
    from automl.core.folds import Fold, Split
    from automl.core.labels import Label, RawTarget
    from automl.core.machine import GIBIBYTE, cores
    from automl.core.metrics import METRIC_GROUP, METRICS, Metric, metrics, refresh_metrics
    from automl.core.modality import (
        LABEL,
        MODALITY_GROUP,
        NEW_FILE,
        PART,
        TABLES,
        Circumstances,
        FileNumbers,
        FilesToOpen,
        FolderTable,
        Modality,
        OpenedFiles,
    )
    from automl.core.nodes import NodeState
    from automl.core.predictions import Answer, Link, Loss, Predictions, finite_predictions
    from automl.core.processor_share import Meter, share_of
    from automl.core.table import Column, Features, Kind, Table
    from automl.core.task_choice import (
        TASK_GROUP,
        choose_task,
        refresh_tasks,
        task_classes,
        task_from_json,
    )
    from automl.core.tasks import Encoded, Task
    from automl.core.trial import (
        Candidate,
        Curve,
        Event,
        Finished,
        ParamValue,
        Progress,
        Status,
        Ticket,
        TrialResult,
    )
    from automl.core.typed_values import field_defaults, field_types
    from automl.data.modalities import modalities, refresh_modalities
    from automl.data.named_files import NamedFiles
    from automl.executors import executor_types, refresh_executors
    from automl.executors.base import (
        EXECUTOR_GROUP,
        Allowance,
        Capacity,
        Executor,
        ExecutorType,
        settled,
    )
    from automl.executors.evaluate import Control, evaluate
    from automl.executors.prepared_cache import PreparedCache
    from automl.families import families, refresh_families
    from automl.families.engines.averaged_trees import FittedForest, grow, smallest_leaf
    from automl.families.engines.boosting import BoosterInputs, RoundControl
    from automl.families.nets.images.family import image_family
    from automl.families.nets.images.plan import NetTraining
    from automl.families.nets.tables.family import net_family
    from automl.families.nets.tables.fit import NetPlan
    from automl.families.nets.tables.layers import TableInput
    from automl.families.nets.tables.net import InputShape
    from automl.families.preprocess.categories import Counts, RareMerge, Slots, TargetEncoding, one_hot
    from automl.families.preprocess.constant import Constant
    from automl.families.preprocess.interactions import Interactions
    from automl.families.preprocess.linear_matrix import LinearMatrix
    from automl.families.preprocess.net_matrix import NetInput, NetMatrix
    from automl.families.preprocess.numbers import Impute, Quantile, Splines, Squash, Standard
    from automl.families.preprocess.saved import Saved
    from automl.families.preprocess.text import TextTerms, TextVectors
    from automl.families.preprocess.text_scores import TextScores
    from automl.families.preprocess.tree_matrix import TreeData, TreeMatrix
    from automl.problem.problem import Problem

_HOMES = {
    # The parts of a family
    "automl.core.family": "FAMILY_GROUP Cache Family FitContext Fitted Outlook Scope ScoreTerms TrialStopped",
    "automl.core.table": "Column Features Kind Table",
    # The parts of a task and of a metric
    "automl.core.tasks": "Encoded Task",
    "automl.core.built_in_tasks": "BinaryTask ClassificationTask MulticlassTask NumberTask RegressionTask",
    "automl.core.task_choice": "TASK_GROUP choose_task refresh_tasks task_classes task_from_json",
    "automl.core.labels": "Label RawTarget",
    "automl.core.predictions": "Answer Link Loss Predictions finite_predictions",
    "automl.core.metrics": "METRIC_GROUP METRICS Metric metrics refresh_metrics",
    "automl.core.folds": "Fold Split",
    "automl.core.typed_values": "field_defaults field_types",
    "automl.families": "families refresh_families",
    "automl.controller.strategy.search_space": "SearchSpace",
    "automl.controller.strategy.space_files": "load_space",
    # The parts of an executor
    "automl.executors.base": "EXECUTOR_GROUP Allowance Capacity Executor ExecutorType settled",
    "automl.executors": "executor_types refresh_executors",
    "automl.executors.evaluate": "Control evaluate",
    "automl.executors.prepared_cache": "PreparedCache",
    "automl.problem.problem": "Problem",
    "automl.core.trial": "Candidate Curve Event Finished ParamValue Progress Status Ticket TrialResult",
    "automl.core.nodes": "NodeState",
    "automl.core.processor_share": "Meter share_of",
    "automl.core.machine": "GIBIBYTE cores",
    # The parts of a kind of data
    "automl.core.modality": (
        "LABEL MODALITY_GROUP NEW_FILE PART TABLES Circumstances FileNumbers FilesToOpen FolderTable "
        "Modality OpenedFiles"
    ),
    "automl.data.modalities": "modalities refresh_modalities",
    "automl.data.named_files": "NamedFiles",
    # Errors and messages of all of them
    "automl.core.errors": (
        "AutoMLError DataError MissingDependencyError ModelFileError StorageError UsageError did_you_mean"
    ),
    # Building blocks of families: each is fitted on training rows and saved without pickle
    "automl.families.preprocess.saved": "Saved",
    "automl.families.preprocess.constant": "Constant",
    "automl.families.preprocess.numbers": "Impute Quantile Splines Squash Standard",
    "automl.families.preprocess.categories": "Counts RareMerge Slots TargetEncoding one_hot",
    "automl.families.preprocess.text": "TextTerms TextVectors",
    "automl.families.preprocess.text_scores": "TextScores",
    "automl.families.preprocess.interactions": "Interactions",
    "automl.families.preprocess.linear_matrix": "LinearMatrix",
    "automl.families.preprocess.tree_matrix": "TreeData TreeMatrix",
    "automl.families.preprocess.net_matrix": "NetInput NetMatrix",
    "automl.families.engines.averaged_trees": "FittedForest grow smallest_leaf",
    "automl.families.engines.boosting": "BoosterInputs RoundControl",
    "automl.families.nets.tables.family": "net_family",
    "automl.families.nets.tables.fit": "NetPlan",
    "automl.families.nets.tables.layers": "TableInput",
    "automl.families.nets.tables.net": "InputShape",
    "automl.families.nets.images.family": "image_family",
    "automl.families.nets.images.plan": "NetTraining",
}

__all__ = [
    "EXECUTOR_GROUP",
    "FAMILY_GROUP",
    "GIBIBYTE",
    "LABEL",
    "METRICS",
    "METRIC_GROUP",
    "MODALITY_GROUP",
    "NEW_FILE",
    "PART",
    "TABLES",
    "TASK_GROUP",
    "Allowance",
    "Answer",
    "AutoMLError",
    "BinaryTask",
    "BoosterInputs",
    "Cache",
    "Candidate",
    "Capacity",
    "Circumstances",
    "ClassificationTask",
    "Column",
    "Constant",
    "Control",
    "Counts",
    "Curve",
    "DataError",
    "Encoded",
    "Event",
    "Executor",
    "ExecutorType",
    "Family",
    "Features",
    "FileNumbers",
    "FilesToOpen",
    "Finished",
    "FitContext",
    "Fitted",
    "FittedForest",
    "Fold",
    "FolderTable",
    "Impute",
    "InputShape",
    "Interactions",
    "Kind",
    "Label",
    "LinearMatrix",
    "Link",
    "Loss",
    "Meter",
    "Metric",
    "MissingDependencyError",
    "Modality",
    "ModelFileError",
    "MulticlassTask",
    "NamedFiles",
    "NetInput",
    "NetMatrix",
    "NetPlan",
    "NetTraining",
    "NodeState",
    "NumberTask",
    "OpenedFiles",
    "Outlook",
    "ParamValue",
    "Predictions",
    "PreparedCache",
    "Problem",
    "Progress",
    "Quantile",
    "RareMerge",
    "RawTarget",
    "RegressionTask",
    "RoundControl",
    "Saved",
    "Scope",
    "ScoreTerms",
    "SearchSpace",
    "Slots",
    "Splines",
    "Split",
    "Squash",
    "Standard",
    "Status",
    "StorageError",
    "Table",
    "TableInput",
    "TargetEncoding",
    "Task",
    "TextScores",
    "TextTerms",
    "TextVectors",
    "Ticket",
    "TreeData",
    "TreeMatrix",
    "TrialResult",
    "TrialStopped",
    "UsageError",
    "choose_task",
    "cores",
    "did_you_mean",
    "evaluate",
    "executor_types",
    "families",
    "field_defaults",
    "field_types",
    "finite_predictions",
    "grow",
    "image_family",
    "load_space",
    "metrics",
    "modalities",
    "net_family",
    "one_hot",
    "refresh_executors",
    "refresh_families",
    "refresh_metrics",
    "refresh_modalities",
    "refresh_tasks",
    "settled",
    "share_of",
    "smallest_leaf",
    "task_classes",
    "task_from_json",
]

__getattr__ = lazy_names(__name__, _HOMES)


def __dir__() -> list[str]:
    return sorted(__all__)
