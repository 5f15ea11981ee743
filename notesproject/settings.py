"""Plain Django. What the environment says is read in environment.py."""

import tomllib
from datetime import timedelta

from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from notesproject.environment import BASE_DIR, EXAMPLE_SECRETS, database, read

SECRET_KEY = read("SECRET_KEY")
API_KEY = read("API_KEY")
DEBUG = read("DEBUG")

if not DEBUG and EXAMPLE_SECRETS & {SECRET_KEY, API_KEY}:
    raise ImproperlyConfigured(
        "SECRET_KEY or API_KEY still has the value of .env.example. With DEBUG=False choose your own."
    )

NOTES_HTTPS = read("NOTES_HTTPS")
NOTES_PUBLIC_READS = read("NOTES_PUBLIC_READS")
NOTES_REQUIRE_IF_MATCH = read("NOTES_REQUIRE_IF_MATCH")
NOTES_TRASH_DAYS = read("NOTES_TRASH_DAYS")
NOTES_MAX_BODY_CHARS = read("NOTES_MAX_BODY_CHARS")
NOTES_MAX_REQUEST_BYTES = read("NOTES_MAX_REQUEST_BYTES")

NOTES_RATE_READS = read("NOTES_RATE_READS")
NOTES_RATE_WRITES = read("NOTES_RATE_WRITES")
NOTES_RATE_FAILURES = read("NOTES_RATE_FAILURES")
NOTES_PROXIES = read("NOTES_PROXIES")
NOTES_ANSWERS_BYTES = read("NOTES_ANSWERS_BYTES")
NOTES_SLOW_MS = read("NOTES_SLOW_MS")
NOTES_METRICS = read("NOTES_METRICS")
NOTES_METRICS_TOKEN = read("NOTES_METRICS_TOKEN")
# No log line shows them.
SECRETS = [secret for secret in (SECRET_KEY, API_KEY, NOTES_METRICS_TOKEN) if secret]
CACHES = {"default": read("CACHE_URL")}

ALLOWED_HOSTS = read("ALLOWED_HOSTS")
ROOT_URLCONF = "notesproject.urls"
WSGI_APPLICATION = "notesproject.wsgi.application"
APPEND_SLASH = False
DATA_UPLOAD_MAX_MEMORY_SIZE = NOTES_MAX_REQUEST_BYTES

INSTALLED_APPS = [
    # Comes first: it replaces templates of the others, and the runserver of static files.
    "notes",
    "notesproject.apps.NotesAdminConfig",
    "django.contrib.humanize",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "corsheaders",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "axes",
]

MIDDLEWARE = [
    "notes.api.middleware.RequestLogMiddleware",
    "notes.api.middleware.HttpsMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "notes.api.middleware.CorsMiddleware",
    "notes.api.middleware.PagePolicyMiddleware",
    "notes.api.middleware.SessionCookieMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "notes.api.middleware.NoBodyMiddleware",
    "django.middleware.common.CommonMiddleware",
    "notes.api.bodies.RefusalMiddleware",
    "notes.api.middleware.DatabaseMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
]

# What only a page for people needs. A program's request passes these by (see handler.py).
BROWSER_MIDDLEWARE = {
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "notes.api.middleware.PagePolicyMiddleware",
    "notes.api.middleware.SessionCookieMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "axes.middleware.AxesMiddleware",
}

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

DATABASES = {"default": database(read("DATABASE_URL"))}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# django-axes counts people's failed logins in the database, so the count is right for any number of processes.
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
AXES_HANDLER = "notes.logins.LoginHandler"
AXES_FAILURE_LIMIT = 10
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
# A try while locked out neither prolongs the lockout nor adds to the table.
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_HTTP_RESPONSE_CODE = 429
AXES_CLIENT_IP_CALLABLE = "notes.api.throttling.address_of"
AXES_USERNAME_CALLABLE = "notes.logins.login_name_of"
AXES_ENABLE_ADMIN = False
AXES_VERBOSE = False

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]

LANGUAGE_CODE = "en-us"
FORMAT_MODULE_PATH = "notesproject.formats"
TIME_ZONE = "UTC"
USE_TZ = True

STATIC_URL = "static/"
STATICFILES_DIRS = [("notes/pictures", BASE_DIR / "docs/pictures")]
# WhiteNoise serves them from the packages that they come with, so that there is nothing to collect.
WHITENOISE_USE_FINDERS = True

# A page loads what it needs from this host, as files: no script and no style stands in the page itself.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
    },
}

CORS_ALLOWED_ORIGINS = read("CORS_ALLOWED_ORIGINS")
CORS_URLS_REGEX = r"^/api/.*$"
CORS_ALLOW_HEADERS = [
    "accept",
    "authorization",
    "content-type",
    "idempotency-key",
    "if-match",
    "if-none-match",
    "prefer",
    "x-api-key",
    "x-request-id",
]
CORS_EXPOSE_HEADERS = [
    "Accept-Patch",
    "Allow",
    "ETag",
    "Idempotency-Replayed",
    "Link",
    "Location",
    "Preference-Applied",
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
    "WWW-Authenticate",
    "X-Request-ID",
]
CSRF_TRUSTED_ORIGINS = read("CSRF_TRUSTED_ORIGINS")

SECURE_SSL_REDIRECT = NOTES_HTTPS
SECURE_HSTS_SECONDS = 31_536_000 if NOTES_HTTPS else 0
SESSION_COOKIE_SECURE = NOTES_HTTPS
CSRF_COOKIE_SECURE = NOTES_HTTPS
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$"]
if NOTES_HTTPS:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SILENCED_SYSTEM_CHECKS = [
    # HSTS for all subdomains and the browsers' preload list are decisions about a domain, not about one service.
    "security.W005",
    "security.W021",
]
LOGIN_REDIRECT_URL = "/api/v1/notes"
CSRF_FAILURE_VIEW = "notes.api.errors.csrf_failure"

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "notes.api.authentication.KeyAuthentication",
        "notes.api.authentication.StaffSessionAuthentication",
    ],
    # A view that names no permission is closed to everybody, and notes.E001 refuses the start.
    "DEFAULT_PERMISSION_CLASSES": ["notes.api.permissions.Closed"],
    "DEFAULT_PARSER_CLASSES": [
        "notes.api.parsers.StrictJSONParser",
        "notes.api.parsers.FormParser",
    ],
    "DEFAULT_RENDERER_CLASSES": [
        "notes.api.renderers.JSONRenderer",
        "notes.api.browsable.BrowsableAPIRenderer",
    ],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "notes.api.negotiation.Negotiation",
    "DEFAULT_PAGINATION_CLASS": "notes.api.pagination.KeysetPagination",
    "DEFAULT_SCHEMA_CLASS": "notes.api.schema.Schema",
    "EXCEPTION_HANDLER": "notes.api.errors.exception_handler",
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}

PROJECT = tomllib.loads((BASE_DIR / "pyproject.toml").read_text())["project"]
SPECTACULAR_SETTINGS = {
    "TITLE": "Notes",
    "VERSION": PROJECT["version"],
    "DESCRIPTION": (BASE_DIR / "notes/api/description.md").read_text(),
    "CONTACT": {"name": "the Notes maintainers"},
    "LICENSE": {"name": PROJECT["license"], "url": "https://opensource.org/license/mit"},
    "SERVERS": [{"url": "/", "description": "The server that this document comes from."}],
    "COMPONENT_SPLIT_REQUEST": True,
    "SCHEMA_PATH_PREFIX": r"/api/v1",
    "SERVE_INCLUDE_SCHEMA": False,
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "ENUM_NAME_OVERRIDES": {"Level": "notes.models.LEVELS", "AccessLevel": "notes.api.permissions.LEVELS"},
    "PARSER_WHITELIST": [
        "notes.api.parsers.StrictJSONParser",
        "notes.api.parsers.MarkdownParser",
        "notes.api.parsers.PlainTextParser",
        "notes.api.parsers.AddedMarkdownParser",
        "notes.api.parsers.AddedPlainTextParser",
    ],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "PREPROCESSING_HOOKS": ["notes.api.schema.without_trailing_slashes"],
    "POSTPROCESSING_HOOKS": ["drf_spectacular.hooks.postprocess_schema_enums", "notes.api.schema.finish"],
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {
        "request_id": {"()": "notes.request_id.RequestIdFilter"},
        "short_security": {"()": "notes.logs.ShortSecurityFilter"},
    },
    "formatters": {
        "text": {"()": "notes.logs.TextFormatter"},
        "json": {
            "()": "notes.logs.JSONFormatter",
            "fmt": ["asctime", "levelname", "name", "request_id", "message"],
            "rename_fields": {"asctime": "time", "levelname": "level", "name": "logger"},
        },
    },
    "handlers": {
        "stderr": {
            "class": "notes.logs.Stderr",
            "secrets": SECRETS,
            "filters": ["request_id", "short_security"],
            "formatter": read("NOTES_LOG_FORMAT"),
        },
    },
    "root": {"handlers": ["stderr"], "level": read("NOTES_LOG_LEVEL")},
    "loggers": {
        # Django's own handlers would write each line a second time, or mail it to nobody.
        "django": {"handlers": [], "level": "INFO", "propagate": True},
        # RequestLogMiddleware writes one line for every request; these two would repeat it.
        "django.request": {"level": "CRITICAL"},
        # Keys and logins are told at any level.
        "notes.security": {"level": "INFO"},
        # Our lines say who and from where in one form; those of django-axes mask both.
        "axes": {"level": "ERROR"},
        "django.server": {"handlers": [], "level": "CRITICAL", "propagate": False},
    },
}
