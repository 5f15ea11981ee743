"""For load balancers and supervisors: is the process up, is the service ready."""

import logging

from django.http import JsonResponse
from django.views.decorators.http import require_safe

from notes import readiness
from notes.api.errors import problem_response
from notes.api.problems import DatabaseUnavailable

logger = logging.getLogger("notes.readiness")


@require_safe
def alive(request):
    """The process is up."""
    return JsonResponse({"status": "ok"})


@require_safe
def ready(request):
    """The database can be read and written; 503 otherwise. Only the log says what is wrong."""
    if problem := readiness.problem():
        logger.error("Not ready: %s", problem)
        return problem_response(request, DatabaseUnavailable("The service is not ready. Its log says why."))
    return JsonResponse({"status": "ok"})
