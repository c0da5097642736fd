"""The report's middle: the champion, where it errs, and what drives it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from automl.core.predictions import Answer
from automl.core.text import counted, duration, range_text, score_text, share_text, signed_text, size_text
from automl.report.facts import prediction_quality as curves
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
    """Members and weights, then how it predicts held-out rows."""
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
        "The plots and figures below are of held-out predictions: every row was predicted by models that "
        "did not train on it. The untouched rows, if there were any, were used only for the one score "
        "above."
    )
    parts.append(tag("p", source, class_="muted"))
    parts += _PARTS[subject.evidence.task.answer](subject.evidence)
    return section("champion", "The champion", *parts)


def _params(params: dict[str, object]) -> str:
    return ", ".join(
        f"{name} {score_text(value, 4)}" if isinstance(value, float) else f"{name} {value}"
        for name, value in params.items()
    )


def _classes(evidence: Evidence) -> list[Markup]:
    names = figures.labels_of(evidence)
    plots = [_confusion(evidence, names), *_rates(evidence, names), _calibration(evidence, names)]
    parts = []
    if len(names) == 2:
        plots.append(_threshold(evidence, names))
    elif evidence.story.class_weights:
        told = ", ".join(
            f"{name} {weight:.2f}" for name, weight in zip(names, evidence.story.class_weights, strict=True)
        )
        text = "Before the most probable class is taken, probabilities are multiplied by"
        if len(names) > figures.MOST_CURVES:
            parts.append(tag("details", tag("summary", f"{text} a weight per class"), tag("p", f"{told}.")))
        else:
            parts.append(tag("p", f"{text}: {told}."))
    return [tag("div", *plots, class_="plots"), *parts, *_class_table(evidence, names)]


def _confusion(evidence: Evidence, names: tuple[str, ...]) -> Markup:
    found = curves.confusion(evidence.target, evidence.predictions)
    wrong = int(found.sum() - np.trace(found))
    confused = found - np.diag(np.diag(found))
    worst = np.unravel_index(int(confused.argmax()), confused.shape)
    told = f"{int(found.sum()):,} rows, {wrong:,} of them wrong"
    if confused[worst]:
        times = int(confused[worst])
        told += (
            f"; most often {names[worst[0]]} taken for {names[worst[1]]} ({times:,} time{'s' * (times != 1)})"
        )
    many = len(names) > figures.MOST_CLASSES
    some = f" The {figures.MOST_CLASSES} most confused classes are shown." if many else ""
    plot = figures.confusion_plot(evidence)
    alt = f"Confusion matrix: {told}."
    return picture(plot, "confusion", alt=alt, caption=f"{alt}{some}")


def _rates(evidence: Evidence, names: tuple[str, ...]) -> list[Markup]:
    roc, recall = figures.rates_plots(evidence)
    codes = [1] if len(names) == 2 else list(range(len(names)))
    areas = np.array([curves.rates(evidence.target, evidence.predictions, code).area for code in codes])
    mean = f", area {np.nanmean(areas):.3f}" if np.isfinite(areas).any() else ""
    against = f"class {names[1]}" if len(names) == 2 else "each class against the rest"
    price = f"ROC curve of {against}: how many are found at what price in false alarms."
    guess = "Precision over recall; the dashed line is what guessing gives."
    return [
        picture(roc, "roc", alt=f"ROC curve of {against}{mean}.", caption=price),
        picture(recall, "recall", alt=f"Precision over recall of {against}.", caption=guess),
    ]


def _calibration(evidence: Evidence, names: tuple[str, ...]) -> Markup:
    code = 1 if len(names) == 2 else None
    error = curves.calibration_error(curves.calibration(evidence.target, evidence.predictions, code))
    caption = (
        f"Calibration: does it happen as often as it says? On average the two differ by "
        f"{share_text(error, 1)}; the bars are 95 % intervals of what happened."
    )
    plot = figures.calibration_plot(evidence)
    return picture(plot, "calibration", alt=f"Calibration plot. {caption}", caption=caption)


def _threshold(evidence: Evidence, names: tuple[str, ...]) -> Markup:
    used = curves.threshold(evidence.story.class_weights)
    chosen = bool(evidence.story.class_weights)
    how = (
        "chosen on held-out rows for the metric"
        if chosen
        else "the usual one: another would not improve the metric"
    )
    caption = f"A row counts as {names[1]} from a probability of {used:.3f} on ({how})."
    alt = f"Precision, recall and F1 over the threshold. {caption}"
    return picture(figures.threshold_plot(evidence), "threshold", alt=alt, caption=caption)


def _class_table(evidence: Evidence, names: tuple[str, ...]) -> list[Markup]:
    every = curves.by_class(evidence.target, evidence.predictions, names)
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
        tag("h3", "By class, the hardest first"),
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
    middle = float(np.median(np.abs(errors)))
    fitted, residuals = figures.residual_plots(evidence)
    told = (
        f"half of the predictions are off by less than {score_text(middle)}, the mean error is "
        f"{score_text(float(errors.mean()))}"
    )
    plots = [
        picture(
            fitted,
            "fitted",
            alt=f"Scatter plot of predicted against true values: {told}.",
            caption=f"Predicted against true: {told}.",
        ),
        picture(
            residuals,
            "residuals",
            alt="Scatter plot of errors over the predicted value.",
            caption="Errors over the prediction: a slope or a funnel here is structure that was missed.",
        ),
    ]
    rows = [
        (
            f"{score_text(row.low)} to {score_text(row.high)}",
            f"{row.rows:,}",
            score_text(row.mean_absolute_error),
            signed_text(row.mean_error),
        )
        for row in curves.by_part(evidence.target, evidence.predictions)
    ]
    return [
        tag("div", *plots, class_="plots"),
        tag("h3", "By size of the true value"),
        table(("true value", "rows", "mean absolute error", "mean error"), rows),
    ]


_PARTS = {Answer.CLASSES: _classes, Answer.NUMBERS: _numbers}
"""Plots and tables of held-out predictions, by what these say."""


def groups_section(subject: Subject, slices: Sequence[Slice]) -> Markup:
    """The metric by the groups of some columns."""
    note = (
        "Held-out rows by the values of a column. A group differs where its 95 % interval does not reach the "
        f"score of all rows; of many groups some do so by chance. {subject.caution}"
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
    return section("groups", "How good is it for whom?", *parts)


def drivers_section(subject: Subject) -> Markup:
    """Permutation importance and partial dependence."""
    title = "What drives it"
    found, evidence = subject.explanation, subject.evidence
    if found is None or evidence is None or not (found.importances or found.groups):
        if subject.pictures:  # they show it in their own section
            return Markup("")
        return section("drivers", title, tag("p", f"Not computed: {_unexplained(subject)}.", class_="muted"))
    told = headline(found)
    how = (
        f"Each feature's values are shuffled among {found.rows:,} held-out rows; by how much "
        f"{subject.measured} gets worse is how much the champion needs that feature, given all the others. "
        f"The lines are 95 % intervals over rows drawn again and shuffles. {compared(found)}"
    ).strip()
    plot = tag("p", told)
    if found.importances:
        plot = picture(
            figures.importance_plot(found.importances, subject.measured),
            "importance",
            alt=f"Bar chart of permutation importance. {told}",
            caption=told,
        )
    head = ("feature", "kind", f"{subject.measured} worse by", "95 % interval")
    rows = [
        (item.feature, item.kind, score_text(item.value, 3), interval_words(item))
        for item in found.importances
    ]
    rows += [
        (_together(group.features), "group", score_text(group.value, 3), interval_words(group))
        for group in found.groups[:_GROUPS]
    ]
    numbers = tag("details", tag("summary", "As a table"), table(head, rows, words=(0, 1)))
    parts: list[Markup] = [tag("p", how, class_="muted"), plot, numbers]
    if found.dependences:
        shown = [
            picture(
                figures.dependence_plot(item, evidence),
                f"dependence-{place}",
                alt=f"Partial dependence of the prediction on {item.feature}, from {item.grid[0]} "
                f"to {item.grid[-1]}.",
            )
            for place, item in enumerate(found.dependences)
        ]
        note = (
            "The mean prediction over held-out rows while one feature takes each value and the others stay "
            "as they are. Where features go together, it also shows combinations that do not occur."
        )
        if len(found.dependences) < len(found.importances):
            note += f" Shown for the first {len(found.dependences)} of the features above."
        if len(evidence.task.labels) > figures.MOST_MOVING:
            note += f" Of the classes, the {figures.MOST_MOVING} whose probabilities move most."
        parts += [
            tag("h3", "How the prediction moves"),
            tag("p", note, class_="muted"),
            tag("div", *shown, class_="plots small"),
        ]
    return section("drivers", title, *parts)


def _unexplained(subject: Subject) -> str:
    """Why there is no importance."""
    if subject.explanation is not None:
        return f"in {duration(subject.explanation.seconds)} the champion could not predict enough rows"
    return (subject.rows.reason or "there are no features to shuffle").rstrip(".")


def _together(features: Sequence[str]) -> str:
    named = ", ".join(features[:_NAMED])
    return f"{named}{f' and {len(features) - _NAMED} more' if len(features) > _NAMED else ''}, together"
