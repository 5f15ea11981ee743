"""Queries that the ORM compiles once: to build and compile one takes ten times as long as to run it."""

from collections.abc import Callable
from functools import cached_property
from typing import Any, Generic, TypeVar

from django.db import DEFAULT_DB_ALIAS, connection
from django.db.models import Expression, Field, Model, QuerySet
from django.db.models.query import get_related_populators

M = TypeVar("M", bound=Model)


class Parameter(Expression):
    """Stands in a query for a value that each run gives by this name."""

    def __init__(self, name: str, field: Field) -> None:
        super().__init__(output_field=field)
        self.name = name

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, list[Any]]:
        return "%s", [self]

    def among(self, values: dict[str, Any]) -> Any:
        """Return this parameter's value as the database takes it."""
        return self.output_field.get_db_prep_value(values[self.name], connection)


class Prepared(Generic[M]):
    """A QuerySet of models, with Parameters in its conditions.

    It is built and compiled when it first runs, so it must not depend on anything that changes while the server runs.
    """

    def __init__(self, build: Callable[[], QuerySet[M]]) -> None:
        self.build = build

    @cached_property
    def compiled(self) -> Any:
        """The ORM's own compiler, with the statement in `sql` and `params`."""
        compiler = self.build().query.get_compiler(connection=connection)
        compiler.sql, compiler.params = compiler.as_sql()
        return compiler

    @cached_property
    def own(self) -> tuple[type[M], slice, list[str]]:
        """The model, where its own columns stand in a row, and their names."""
        fields = self.compiled.klass_info["select_fields"]
        own = slice(fields[0], fields[-1] + 1)
        return self.compiled.klass_info["model"], own, self.columns[own]

    @cached_property
    def annotations(self) -> list[tuple[str, int]]:
        return list((self.compiled.annotation_col_map or {}).items())

    @cached_property
    def columns(self) -> list[str]:
        """The attributes that the columns of a row become, in their order."""
        names = [getattr(getattr(expression, "target", None), "attname", "") for expression, *_ in self.compiled.select]
        for name, place in self.annotations:
            names[place] = name
        return names

    @cached_property
    def converters(self) -> list[tuple[int, list[Any], Any]]:
        converters = self.compiled.get_converters([expression for expression, _, _ in self.compiled.select])
        return [(place, functions, expression) for place, (functions, expression) in converters.items()]

    @cached_property
    def related(self) -> list[Any]:
        return get_related_populators(self.compiled.klass_info, self.compiled.select, DEFAULT_DB_ALIAS)

    def rows(self, **values: Any) -> list[tuple[Any, ...]]:
        """Return the rows as the database's driver gives them."""
        params = [param.among(values) if isinstance(param, Parameter) else param for param in self.compiled.params]
        with connection.cursor() as cursor:
            cursor.execute(self.compiled.sql, params)
            return cursor.fetchall()

    def all(self, **values: Any) -> list[M]:
        return [self.model_of(row) for row in self.rows(**values)]

    def first(self, **values: Any) -> M | None:
        rows = self.rows(**values)
        return self.model_of(rows[0]) if rows else None

    def model_of(self, row: tuple[Any, ...]) -> M:
        converted = list(row)
        for place, functions, expression in self.converters:
            for convert in functions:
                converted[place] = convert(converted[place], expression, connection)
        model_class, own, names = self.own
        model = model_class.from_db(DEFAULT_DB_ALIAS, names, converted[own])
        for related in self.related:
            related.populate(converted, model)
        for name, place in self.annotations:
            setattr(model, name, converted[place])
        return model
