"""Schemas of small tables as dagster-pandas types, made from ``datasets``.

Belongs here: the translation and its use. Does not: any schema of its own.
"""

from functools import cache

import pandas as pd
from dagster import DagsterType

from coupang_assets.datasets import Column, Dataset
from coupang_assets.errors import CoupangAssetsError
from coupang_assets.pipeline.codes import is_canonical_code
from coupang_assets.storage.beta import beta_accepted


@cache
def frame_type(dataset: Dataset) -> DagsterType:
    """The dagster-pandas type of a dataset's table."""
    from dagster_pandas import PandasColumn, create_dagster_pandas_dataframe_type
    from dagster_pandas.constraints import (
        ColumnConstraint,
        ColumnConstraintViolationException,
        DataFrameConstraint,
        DataFrameConstraintViolationException,
        NonNullableColumnConstraint,
        StrictColumnsConstraint,
    )

    class CanonicalCode(ColumnConstraint):
        """Category codes are digit strings of at least four places, or null."""

        def __init__(self) -> None:
            description = "canonical category code"
            super().__init__(error_description=description, markdown_description=description)

        def validate(self, dataframe: pd.DataFrame, column_name: str) -> None:
            values = dataframe[column_name]
            wrong = dataframe[values.notna() & ~values.map(is_canonical_code).astype(bool)]
            if len(wrong):
                raise ColumnConstraintViolationException(
                    constraint_name="canonical code",
                    constraint_description="digits, at least four. ",
                    column_name=column_name,
                    offending_rows=list(self.get_offending_row_pairs(wrong.head(5), column_name)),
                )

    class UniqueTogether(DataFrameConstraint):
        """No two rows share the values of these columns; null equals null."""

        def __init__(self, columns: tuple[str, ...]) -> None:
            self.columns = list(columns)
            description = f"unique on {', '.join(columns)}"
            super().__init__(error_description=description, markdown_description=description)

        def validate(self, dataframe: pd.DataFrame) -> None:
            doubled = dataframe[dataframe.duplicated(self.columns, keep=False)]
            if len(doubled):
                raise DataFrameConstraintViolationException(
                    constraint_name="unique together",
                    constraint_description=f"{len(doubled)} rows share {', '.join(self.columns)}: "
                    f"{doubled[self.columns].head(4).to_dict('records')}",
                )

    def column(spec: Column) -> PandasColumn:
        constraints: list[ColumnConstraint] = []
        if spec.code:
            constraints.append(CanonicalCode())
        if not spec.nullable:
            constraints.append(NonNullableColumnConstraint())
        return PandasColumn(spec.name, constraints=constraints, is_required=True)

    with beta_accepted():
        return create_dagster_pandas_dataframe_type(
            name=f"{dataset.name}_frame",
            description=dataset.description,
            columns=[column(spec) for spec in dataset.columns],
            dataframe_constraints=[
                StrictColumnsConstraint(list(dataset.column_names)),
                *(UniqueTogether(columns) for columns in dataset.unique),
            ],
        )


def validate_frame(dataset: Dataset, frame: pd.DataFrame, where: str) -> None:
    """Check a table against its dataset.

    Raises:
        CoupangAssetsError: what does not hold, with offending rows.
    """
    check = frame_type(dataset).type_check(None, frame)  # type: ignore[arg-type]
    if not check.success:
        raise CoupangAssetsError(
            f"{where} does not hold what {dataset.name} promises: {check.description}",
            "correct those rows; nothing was written",
        )
