"""Statements that the ORM compiles once: to build and compile one takes ten times as long as to run it."""

import json
from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any, Generic, TypeVar

from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.db.models import Expression, Field, Model, QuerySet
from django.db.models.query import get_related_populators
from django.db.models.sql import InsertQuery, UpdateQuery

M = TypeVar("M", bound=Model)


class Parameter(Expression):
    """Stands in a query for a value that each run gives by this name."""

    def __init__(self, name: str, field: Field) -> None:
        super().__init__(output_field=field)
        self.name = name

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, list[Any]]:
        return "%s", [self]

    def among(self, values: dict[str, Any], database: Any) -> Any:
        """Return this parameter's value as the database takes it."""
        return self.output_field.get_db_prep_save(values[self.name], database)


class Parameters(Parameter):
    """Stands for a list of values, which is sent as one (see `Among` in notes/querysets.py)."""

    def among(self, values: dict[str, Any], database: Any) -> Any:
        return as_one([self.output_field.get_db_prep_save(value, database) for value in values[self.name]], database)


def as_one(values: list[Any], database: Any) -> Any:
    """Return a list of values as one parameter. SQLite takes at most 32,766 parameters in a statement."""
    return json.dumps(values) if database.vendor == "sqlite" else values


def values_of(params: Iterable[Any], values: dict[str, Any], database: Any) -> list[Any]:
    return [param.among(values, database) if isinstance(param, Parameter) else param for param in params]


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
    def conversions(self) -> dict[int, tuple[list[Any], Any]]:
        """Functions that make Python's values of the columns at these places, and the expressions that they need."""
        converters = self.compiled.get_converters([expression for expression, *_ in self.compiled.select])
        return dict(converters)

    @staticmethod
    def converted(value: Any, functions: Iterable[Any], expression: Any) -> Any:
        for convert in functions:
            value = convert(value, expression, connection)
        return value

    @cached_property
    def related(self) -> list[Any]:
        return get_related_populators(self.compiled.klass_info, self.compiled.select, DEFAULT_DB_ALIAS)

    @cached_property
    def driver_sql(self) -> str:
        sql: str = self.compiled.sql
        return (sql % (("?",) * len(self.compiled.params))) if connection.vendor == "sqlite" else sql

    def rows(self, **values: Any) -> list[tuple[Any, ...]]:
        """Return the rows as the database's driver gives them."""
        database = connections[DEFAULT_DB_ALIAS]
        params = values_of(self.compiled.params, values, database)
        if database.queries_logged or database.execute_wrappers:
            with database.cursor() as cursor:
                cursor.execute(self.compiled.sql, params)
                return cursor.fetchall()
        # Django's cursors do no more than this; to make one takes as long as the query.
        database.validate_no_broken_transaction()
        database.close_if_health_check_failed()
        database.ensure_connection()
        with database.wrap_database_errors:
            return database.connection.execute(self.driver_sql, params).fetchall()

    def all(self, **values: Any) -> list[M]:
        return [self.model_of(row) for row in self.rows(**values)]

    def first(self, **values: Any) -> M | None:
        rows = self.rows(**values)
        return self.model_of(rows[0]) if rows else None

    def value_of(self, row: tuple[Any, ...], column: str) -> Any:
        """Return one value of a row as a model has it."""
        place = self.columns.index(column)
        return self.converted(row[place], *self.conversions.get(place, ((), None)))

    def model_of(self, row: tuple[Any, ...]) -> M:
        converted = list(row)
        for place, conversion in self.conversions.items():
            converted[place] = self.converted(row[place], *conversion)
        model_class, own, names = self.own
        model = model_class.from_db(DEFAULT_DB_ALIAS, names, converted[own])
        for related in self.related:
            related.populate(converted, model)
        for name, place in self.annotations:
            setattr(model, name, converted[place])
        return model


class Update:
    """An UPDATE of the rows of a QuerySet: `columns` get the values that each run gives by their names.

    Parameters in the conditions must have other names than the columns.
    """

    def __init__(self, build: Callable[[], QuerySet[Any]], columns: Iterable[str]) -> None:
        self.build = build
        self.columns = columns

    @cached_property
    def compiled(self) -> tuple[str, tuple[Any, ...]]:
        query = self.build().query.chain(UpdateQuery)
        query.add_update_values({name: Parameter(name, query.get_meta().get_field(name)) for name in self.columns})
        return query.get_compiler(connection=connection).as_sql()

    def update(self, **values: Any) -> int:
        """Return how many rows were changed."""
        statement, params = self.compiled
        database = connections[DEFAULT_DB_ALIAS]
        with database.cursor() as cursor:
            cursor.execute(statement, values_of(params, values, database))
            return cursor.rowcount


class Insert(Generic[M]):
    """An INSERT of one row of a model, with all its columns: none has a default that only the database knows."""

    def __init__(self, model: type[M]) -> None:
        self.model = model

    @cached_property
    def fields(self) -> list[Field]:
        return [field for field in self.model._meta.local_concrete_fields if not field.primary_key]

    @cached_property
    def compiled(self) -> str:
        query = InsertQuery(self.model)
        query.insert_values(self.fields, [self.model()])
        compiler = query.get_compiler(connection=connection)
        compiler.returning_fields = [self.model._meta.pk]
        [(statement, _)] = compiler.as_sql()
        return statement

    def create(self, row: M) -> None:
        """Store the row, and give it its primary key."""
        database = connections[DEFAULT_DB_ALIAS]
        values = [field.get_db_prep_save(getattr(row, field.attname), database) for field in self.fields]
        with database.cursor() as cursor:
            cursor.execute(self.compiled, values)
            [row.pk] = cursor.fetchone()
        row._state.adding, row._state.db = False, DEFAULT_DB_ALIAS
