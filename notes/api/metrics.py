"""The figures at /metrics, for Prometheus. Nothing imports this module while NOTES_METRICS is off.

prometheus_client looks at PROMETHEUS_MULTIPROC_DIR when it is imported. There each process of `serve` counts in files
of its own, and what a killed one has counted stays. What is stored is asked of the database.
"""

import os
from functools import cache

from django.db import Error
from django.db.models import Count, Sum
from django.utils import timezone
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from notes import backups
from notes.models import Notebook

BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

requests = Histogram(
    "notes_request_seconds", "How long requests took.", ["method", "route", "status"], buckets=BUCKETS, registry=None
)
refusals = Counter("notes_refusals", "Refused keys and logins, and requests too many.", ["event"], registry=None)
# To look for the labels each time would cost as much as to count.
requests_with = cache(requests.labels)


def count_request(answered):
    requests_with(answered.method, answered.route, answered.status).observe(answered.milliseconds / 1000)


def count_refusal(event):
    refusals.labels(event).inc()


class Stored(Collector):
    """What the database says of all notebooks, in two queries. If it fails, the other figures are still there."""

    def collect(self):
        try:
            stored = Notebook.objects.aggregate(
                writes=Sum("revision"), live=Sum("live_notes"), trashed=Sum("trashed_notes"), notebooks=Count("pk")
            )
            _, verified_at = backups.last_times()
        except Error:
            yield GaugeMetricFamily("notes_database_up", "Whether the database answers.", 0)
            return
        yield GaugeMetricFamily("notes_database_up", "Whether the database answers.", 1)
        yield CounterMetricFamily("notes_writes", "Writes since the notebooks were made.", stored["writes"] or 0)
        yield GaugeMetricFamily("notes_live", "Notes outside the trash.", stored["live"] or 0)
        yield GaugeMetricFamily("notes_trashed", "Notes in the trash.", stored["trashed"] or 0)
        yield GaugeMetricFamily("notes_notebooks", "Notebooks.", stored["notebooks"])
        if verified_at:
            age = (timezone.now() - verified_at).total_seconds()
            yield GaugeMetricFamily("notes_verified_backup_age_seconds", "Age of the last verified backup.", age)


def page():
    """Return all figures in Prometheus' text format."""
    registry = CollectorRegistry()
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        MultiProcessCollector(registry)
    else:
        registry.register(requests)
        registry.register(refusals)
    registry.register(Stored())
    return generate_latest(registry)
