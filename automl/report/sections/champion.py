"""The middle sections of the report: the champion, where it is wrong, and what drives it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from automl.core.predictions import Answer
from automl.core.text import (
    counted,
    duration,
    range_text,
    score_text,
    share_text,
    signed_text,
    size_text,
    value_text,
)
from automl.core.weights import mean_of, median_of
from automl.report.facts import prediction_quality as curves
from automl.report.facts.coverage_words import (
    coverage_head,
    coverage_rows,
    coverage_title,
    coverage_words,
)
from automl.report.facts.decision_words import answer_words, calibration_words
from automl.report.facts.driver_words import compared, headline
from automl.report.facts.evidence import Evidence
from automl.report.facts.importance import interval_words
from automl.report.facts.slices import LEAST_ROWS, Slice
from automl.report.facts.subject import Subject
from automl.report.figures import champion as figures
from automl.report.sections.markup import Markup, picture, section, table, tag

_CLASS_ROWS = 30
_GROUPS, _NAMED = 10, 4


def champion_section(subject: Subject) -> Markup:
    """The champion's members and weights, then plots and tables of its held-out predictions."""
    if not subject.members:
        return Markup("")
    rows = {trial.row.trial: trial.row for trial in subject.material.trials}
    listed = []
    for member in subject.members:
        row = rows.get(member["trial"])
        listed.append(
            (
                f"#{member['trial']}",
                member["family"],
                subject.weights[member["trial"]],
                "" if row is None or row.validation is None else score_text(row.validation),
                "" if row is None else f"{row.predict_ms_per_1000_rows or 0:,.1f}",
                "" if row is None else size_text(row.model_bytes or 0),
                "" if row is None else _params(row.params),
            )
        )
    head = (
        "trial",
        "family",
        "weight",
        subject.metric,
        "ms per 1,000",
        "size",
        "parameters (others have their defaults)",
    )
    parts: list[Markup] = [tag("div", table(head, listed, words=(0, 1, 6)), class_="members")]
    if subject.evidence is None:
        parts.append(
            tag(
                "p",
                "The held-out predictions of the champion are not on record, so there are no plots of them.",
                class_="muted",
            )
        )
        return section("champion", "The champion", *parts)
    source = (
        "The plots and figures below show held-out predictions: every row was predicted by models that were "
        "not trained on it. The untouched rows, if any, were used only for the single score above."
    )
    parts.append(tag("p", source, class_="muted"))
    parts += _PARTS[subject.evidence.task.answer](subject.evidence)
    parts += _coverage(subject.evidence)
    return section("champion", "The champion", *parts)


def _params(params: dict[str, object]) -> str:
    return ", ".join(f"{name} {value_text(value, 4)}" for name, value in params.items())


def _classes(evidence: Evidence) -> list[Markup]:
    names = figures.labels_of(evidence)
    plots = [_confusion(evidence, names), *_rates(evidence, names), _calibration(evidence, names)]
    parts = []
    if len(names) == 2:
        plots.append(_threshold(evidence, names))
    elif evidence.decision.costs:
        parts.append(tag("p", answer_words(evidence)))
    elif evidence.story.class_weights:
        factors = ", ".join(
            f"{name} {weight:.2f}" for name, weight in zip(names, evidence.story.class_weights, strict=True)
        )
        text = "Before the most probable class is chosen, the probabilities are multiplied by"
        if len(names) > figures.MOST_CURVES:
            parts.append(
                tag("details", tag("summary", f"{text} a weight per class"), tag("p", f"{factors}."))
            )
        else:
            parts.append(tag("p", f"{text}: {factors}. {answer_words(evidence)}"))
    return [tag("div", *plots, class_="plots"), *parts, *_class_table(evidence, names)]


def _coverage(evidence: Evidence) -> list[Markup]:
    if not evidence.story.coverage:
        return []
    note = tag("p", coverage_words(evidence).replace("`", ""), class_="muted")
    return [
        tag("h3", coverage_title(evidence)),
        note,
        table(coverage_head(evidence), coverage_rows(evidence)),
    ]


def _confusion(evidence: Evidence, names: tuple[str, ...]) -> Markup:
    counts = curves.confusion(evidence.target, evidence.predictions, evidence.weights)
    confused = counts - np.diag(np.diag(counts))
    worst = np.unravel_index(int(confused.argmax()), confused.shape)
    if evidence.weights is None:
        wrong, times = int(confused.sum()), int(confused[worst])
        summary = f"{int(counts.sum()):,} rows, {wrong:,} of them wrong"
        often = f"{times:,} time{'s' * (times != 1)}"
    else:
        share = confused / counts.sum()
        summary = f"{len(evidence.target):,} rows counted by weight, {share_text(share.sum(), 1)} of it wrong"
        often = f"{share_text(share[worst], 1)} of the weight"
    if confused[worst]:
        summary += f"; most often {names[worst[0]]} taken for {names[worst[1]]} ({often})"
    many = len(names) > figures.MOST_CLASSES
    some = f" The {figures.MOST_CLASSES} most confused classes are shown." if many else ""
    plot = figures.confusion_plot(evidence)
    alt = f"Confusion matrix: {summary}."
    return picture(plot, "confusion", alt=alt, caption=f"{alt}{some}")


def _rates(evidence: Evidence, names: tuple[str, ...]) -> list[Markup]:
    roc, recall = figures.rates_plots(evidence)
    codes = [1] if len(names) == 2 else list(range(len(names)))
    areas = np.array(
        [curves.rates(evidence.target, evidence.raw, code, evidence.weights).area for code in codes]
    )
    mean = f", area {np.nanmean(areas):.3f}" if np.isfinite(areas).any() else ""
    against = f"class {names[1]}" if len(names) == 2 else "each class against the rest"
    price = f"ROC curve of {against}: the share that is found against the share of false alarms."
    guess = "Precision against recall; the dashed line is the precision of guessing."
    return [
        picture(roc, "roc", alt=f"ROC curve of {against}{mean}.", caption=price),
        picture(recall, "recall", alt=f"Precision against recall of {against}.", caption=guess),
    ]


def _calibration(evidence: Evidence, names: tuple[str, ...]) -> Markup:
    code = 1 if len(names) == 2 else None
    curve = curves.calibration(evidence.target, evidence.raw, code, weights=evidence.weights)
    error = curves.calibration_error(curve)
    caption = (
        f"Calibration: predicted probability against observed frequency. On average they differ by "
        f"{share_text(error, 1)}; the bars are 95 % intervals of the observed frequency. "
        f"{calibration_words(evidence)}"
    ).strip()
    plot = figures.calibration_plot(evidence)
    return picture(plot, "calibration", alt=f"Calibration plot. {caption}", caption=caption)


def _threshold(evidence: Evidence, names: tuple[str, ...]) -> Markup:
    used = evidence.decision.threshold
    how = answer_words(evidence) or "This is the default: no other threshold would improve the metric."
    caption = f"A row is predicted as {names[1]} at a probability of {used:.3f} or more. {how}"
    alt = f"Precision, recall and F1 against the threshold. {caption}"
    return picture(figures.threshold_plot(evidence), "threshold", alt=alt, caption=caption)


def _class_table(evidence: Evidence, names: tuple[str, ...]) -> list[Markup]:
    every = curves.by_class(evidence.target, evidence.predictions, names, evidence.weights)
    rows = [row for row in every if row.rows]
    body = [
        (
            row.label,
            f"{row.rows:,}",
            *(_share(value) for value in (row.precision, row.recall)),
            range_text(row.recall_low, row.recall_high, 3),
            _share(row.f1),
        )
        for row in rows[:_CLASS_ROWS]
    ]
    parts = [
        tag("h3", "By class, hardest first"),
        table(("class", "rows", "precision", "recall", "its 95 % interval", "F1"), body),
    ]
    if len(rows) > _CLASS_ROWS:
        text = (
            f"{len(rows) - _CLASS_ROWS} more classes are recognised as well as the last of these, or better."
        )
        parts.append(tag("p", text, class_="muted"))
    if len(rows) < len(every):
        text = (
            f"{counted(len(every) - len(rows), 'class', 'classes')} without held-out rows cannot be judged."
        )
        parts.append(tag("p", text, class_="muted"))
    return parts


def _share(value: float) -> str:
    return "" if np.isnan(value) else score_text(value, 3)


def _numbers(evidence: Evidence) -> list[Markup]:
    truth = np.asarray(evidence.target, dtype=np.float64)
    errors = evidence.predictions[:, 0] - truth
    middle = median_of(np.abs(errors), evidence.weights)
    fitted, residuals = figures.residual_plots(evidence)
    summary = (
        f"half of the predictions are off by less than {score_text(middle)}, the mean error is "
        f"{score_text(mean_of(errors, evidence.weights))}"
    )
    plots = [
        picture(
            fitted,
            "fitted",
            alt=f"Scatter plot of predicted against true values: {summary}.",
            caption=f"Predicted against true: {summary}.",
        ),
        picture(
            residuals,
            "residuals",
            alt="Scatter plot of errors against the predicted value.",
            caption="Errors against the prediction: a slope or a funnel here is structure that was missed.",
        ),
    ]
    rows = [
        (
            f"{score_text(row.low)} to {score_text(row.high)}",
            f"{row.rows:,}",
            score_text(row.mean_absolute_error),
            signed_text(row.mean_error),
        )
        for row in curves.by_part(evidence.target, evidence.predictions, evidence.weights)
    ]
    return [
        tag("div", *plots, class_="plots"),
        tag("h3", "By size of the true value"),
        table(("true value", "rows", "mean absolute error", "mean error"), rows),
    ]


_PARTS = {Answer.CLASSES: _classes, Answer.NUMBERS: _numbers}
"""Plots and tables of held-out predictions, by the kind of prediction."""


def groups_section(subject: Subject, slices: Sequence[Slice]) -> Markup:
    """The metric by the groups of some columns."""
    note = (
        "Held-out rows by the values of a column. A group differs where its 95 % interval does not contain "
        f"the score of all rows; among many groups, some differ by chance. {subject.caution}"
    )
    parts: list[Markup] = [tag("p", note, class_="muted")]
    for item in slices:
        rows = [
            (
                group.label,
                f"{group.rows:,}",
                "" if np.isnan(group.score) else score_text(group.score),
                "" if np.isnan(group.low) else range_text(group.low, group.high),
                group.differs or ("too few rows" if group.rows < LEAST_ROWS else ""),
            )
            for group in item.groups
        ]
        head = ("group", "rows", subject.measured, "95 % interval", "than all rows")
        parts += [
            tag("h3", f"By {item.column}; all rows: {score_text(item.overall)}"),
            table(head, rows, words=(0, 4)),
        ]
    return section("groups", "Scores by group", *parts)


def drivers_section(subject: Subject) -> Markup:
    """Permutation importance and partial dependence."""
    title = "What drives it"
    explanation, evidence = subject.explanation, subject.evidence
    if explanation is None or evidence is None or not (explanation.importances or explanation.groups):
        if subject.pictures:  # the section of the images shows it
            return Markup("")
        return section("drivers", title, tag("p", f"Not computed: {_unexplained(subject)}.", class_="muted"))
    leading = headline(explanation)
    how = (
        f"Each feature's values are shuffled among {explanation.rows:,} held-out rows; the loss in "
        f"{subject.measured} shows how much the champion relies on that feature, given all the others. "
        f"The lines are 95 % intervals over resampled rows and shuffles. {compared(explanation)}"
    ).strip()
    plot = tag("p", leading)
    if explanation.importances:
        plot = picture(
            figures.importance_plot(explanation.importances, subject.measured),
            "importance",
            alt=f"Bar chart of permutation importance. {leading}",
            caption=leading,
        )
    head = ("feature", "kind", f"{subject.measured} worse by", "95 % interval")
    rows = [
        (item.feature, item.kind, score_text(item.value, 3), interval_words(item))
        for item in explanation.importances
    ]
    rows += [
        (_together(group.features), "group", score_text(group.value, 3), interval_words(group))
        for group in explanation.groups[:_GROUPS]
    ]
    numbers = tag("details", tag("summary", "As a table"), table(head, rows, words=(0, 1)))
    parts: list[Markup] = [tag("p", how, class_="muted"), plot, numbers]
    if explanation.dependences:
        shown = [
            picture(
                figures.dependence_plot(item, evidence),
                f"dependence-{place}",
                alt=f"Partial dependence of the prediction on {item.feature}, from {item.ends[0]} "
                f"to {item.ends[1]}.",
            )
            for place, item in enumerate(explanation.dependences)
        ]
        note = (
            "The mean prediction over held-out rows when one feature is set to each value and the others are "
            "left as they are. Where features are correlated, this includes combinations that do not occur."
        )
        if len(explanation.dependences) < len(explanation.importances):
            note += f" Shown for the first {len(explanation.dependences)} of the features above."
        if len(evidence.task.labels) > figures.MOST_MOVING:
            note += f" The {figures.MOST_MOVING} classes whose probabilities change most are shown."
        parts += [
            tag("h3", "How the prediction changes"),
            tag("p", note, class_="muted"),
            tag("div", *shown, class_="plots small"),
        ]
    return section("drivers", title, *parts)


def _unexplained(subject: Subject) -> str:
    """The reason why there is no importance."""
    if subject.explanation is not None:
        return f"in {duration(subject.explanation.seconds)} the champion could not predict enough rows"
    return (subject.rows.reason or "there are no features to shuffle").rstrip(".")


def _together(features: Sequence[str]) -> str:
    named = ", ".join(features[:_NAMED])
    return f"{named}{f' and {len(features) - _NAMED} more' if len(features) > _NAMED else ''}, together"
