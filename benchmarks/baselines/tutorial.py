"""What tutorials of Django REST Framework end with: ModelViewSet, ModelSerializer, PageNumberPagination."""

import os

import django
from django.conf import settings

settings.configure(
    SECRET_KEY="of no use to anybody",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions", "rest_framework"],
    MIDDLEWARE=[
        "django.middleware.security.SecurityMiddleware",
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.middleware.clickjacking.XFrameOptionsMiddleware",
    ],
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": os.environ["BENCHMARK_DATABASE"],
            "OPTIONS": {"timeout": 30},
        }
    },
    REST_FRAMEWORK={
        "DEFAULT_PAGINATION_CLASS": "rest_framework.pagination.PageNumberPagination",
        "PAGE_SIZE": 50,
        "SEARCH_PARAM": "q",
    },
)
django.setup()

# The rest needs Django to be set up.
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.db import models  # noqa: E402
from django.http import JsonResponse  # noqa: E402
from django.urls import include, path  # noqa: E402
from rest_framework import filters, permissions, routers, serializers, viewsets  # noqa: E402


class Note(models.Model):
    title = models.CharField(max_length=1000)
    body = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)

    class Meta:
        app_label = "tutorial"
        db_table = "notes"
        ordering = ["-created_at", "-id"]

    def __str__(self):
        return self.title


class NoteSerializer(serializers.ModelSerializer):
    class Meta:
        model = Note
        fields = ["id", "title", "body"]


class HasKeyOrReads(permissions.BasePermission):
    def has_permission(self, request, view):
        return request.method in permissions.SAFE_METHODS or request.headers.get("X-API-Key") == os.environ["API_KEY"]


class NoteViewSet(viewsets.ModelViewSet):
    queryset = Note.objects.all()
    serializer_class = NoteSerializer
    permission_classes = [HasKeyOrReads]
    filter_backends = [filters.SearchFilter]
    search_fields = ["title", "body"]


router = routers.DefaultRouter(trailing_slash=False)
router.register("notes", NoteViewSet)
urlpatterns = [path("healthz", lambda request: JsonResponse({"status": "ok"})), path("", include(router.urls))]
application = get_wsgi_application()
