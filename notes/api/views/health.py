"""For load balancers and supervisors: is the process up, is the database usable."""

from django.db import Error, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import JsonResponse
from django.views.decorators.http import require_safe


@require_safe
def alive(request):
    """The process is up."""
    return JsonResponse({"status": "ok"})


@require_safe
def ready(request):
    """The database answers and is migrated; 503 otherwise."""
    wrong = problem()
    return JsonResponse({"status": wrong or "ok"}, status=503 if wrong else 200)


def problem():
    """Return what is wrong with the database in words, or None."""
    try:
        executor = MigrationExecutor(connection)
        missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except Error:
        return "the database does not answer"
    return "the database is not migrated" if missing else None
