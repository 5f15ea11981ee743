"""All settings in one file: first the environment variables, each with its reader and default, then plain Django."""

import os
from datetime import timedelta
from pathlib import Path

import environ
from django.core.exceptions import ImproperlyConfigured

BASE_DIR = Path(__file__).resolve().parent.parent

environ.Env.read_env(BASE_DIR / os.environ.get("NOTES_ENV_FILE", ".env"))

REQUIRED = object()


def switch(text):
    """Unlike bool readers that take any unknown word for False, this one refuses `DEBUG=flase`."""
    if text.lower() in {"true", "1", "yes", "on"}:
        return True
    if text.lower() in {"false", "0", "no", "off"}:
        return False
    raise ValueError("write True or False")


def count(text):
    if not (text.isascii() and text.isdigit()):
        raise ValueError("write a whole number, 0 or more")
    return int(text)


def body_chars(text):
    if not 1 <= count(text) <= 250_000:
        raise ValueError("write a number from 1 to 250000: PostgreSQL's search index holds no longer texts")
    return count(text)


def words(text):
    return [word.strip() for word in text.split(",") if word.strip()]


def secret(text):
    if not text.isascii():
        raise ValueError("it must be of ASCII characters: headers have no others that all servers agree on")
    if len(text) < 16:
        raise ValueError("it needs at least 16 characters; `make run` writes a good one")
    return text


def rate(text):
    """Return (requests, seconds) of `600/minute`, or None for `off`."""
    if text == "off":
        return None
    number, _, period = text.partition("/")
    periods = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
    if not (number.isascii() and number.isdigit()) or int(number) < 1 or period not in periods:
        raise ValueError("write off, or a number per second, minute, hour or day, such as 600/minute")
    return int(number), periods[period]


def log_level(text):
    if text not in {"DEBUG", "INFO", "WARNING", "ERROR"}:
        raise ValueError("write DEBUG, INFO, WARNING or ERROR")
    return text


def cache(url):
    """Return Django's settings for the cache that the rates are counted in."""
    scheme = url.partition("://")[0]
    try:
        config = environ.Env.cache_url_config(url)
    except ImproperlyConfigured:
        scheme = None
    if scheme == "locmemcache":
        # Django's default keeps 300 entries: 300 addresses would push the count of another one out.
        return {**config, "OPTIONS": {"MAX_ENTRIES": 10_000}}
    if scheme in {"redis", "rediss"}:
        # A cache that does not answer must not hold up the requests that it counts.
        timeouts = {"socket_connect_timeout": 0.5, "socket_timeout": 0.5}
        return {**config, "OPTIONS": {**timeouts, **config.get("OPTIONS", {})}}
    raise ValueError("write redis://HOST:PORT/NUMBER or locmemcache://")


# name: (reader, default). `.env.example` explains each one; a test keeps the two equal.
ENVIRONMENT = {
    "SECRET_KEY": (secret, REQUIRED),
    "API_KEY": (secret, REQUIRED),
    "DEBUG": (switch, "False"),
    "ALLOWED_HOSTS": (words, "localhost,127.0.0.1,[::1]"),
    "DATABASE_URL": (str, "sqlite:///notes.sqlite3"),
    "CORS_ALLOWED_ORIGINS": (words, ""),
    "CSRF_TRUSTED_ORIGINS": (words, ""),
    "NOTES_HTTPS": (switch, "False"),
    "NOTES_PUBLIC_READS": (switch, "True"),
    "NOTES_REQUIRE_IF_MATCH": (switch, "False"),
    "NOTES_TRASH_DAYS": (count, "30"),
    "NOTES_MAX_BODY_CHARS": (body_chars, "100000"),
    "NOTES_MAX_REQUEST_BYTES": (count, "2500000"),
    "NOTES_RATE_READS": (rate, "3000/minute"),
    "NOTES_RATE_WRITES": (rate, "600/minute"),
    "NOTES_RATE_FAILURES": (rate, "20/minute"),
    "NOTES_PROXIES": (count, "0"),
    "CACHE_URL": (cache, "locmemcache://"),
    "NOTES_LOG_LEVEL": (log_level, "INFO"),
}

# The values of `.env.example`: good enough to try the service with DEBUG=True, refused otherwise.
EXAMPLE_SECRETS = {"example-secret-key-change-me", "example-api-key-change-me"}


def read(name):
    reader, default = ENVIRONMENT[name]
    text = os.environ.get(name, default)
    if text is REQUIRED:
        raise ImproperlyConfigured(f"{name} is not set. Set it in the environment or in .env (see .env.example).")
    try:
        return reader(text.strip())
    except ValueError as error:
        raise ImproperlyConfigured(f"{name} in the environment or in .env is not usable: {error}.") from None


WAIT_SECONDS = 5


def database(url):
    """Return Django's settings for one database. Relative SQLite paths start at the project's folder."""
    if not url.startswith(("sqlite:///", "postgres://", "postgresql://")):
        raise ImproperlyConfigured("DATABASE_URL must be sqlite:///FILE or postgres://user:password@host:5432/name.")
    try:
        config = environ.Env.db_url_config(url)
        engine = config["ENGINE"]
    except ValueError:
        raise ImproperlyConfigured("DATABASE_URL is not usable: the part after the host must be a port.") from None
    if engine == "django.db.backends.sqlite3":
        if config["NAME"] == ":memory:" or config.get("OPTIONS"):
            raise ImproperlyConfigured("DATABASE_URL must name a file, and nothing more: sqlite:///FILE.")
        path = BASE_DIR / config["NAME"]
        return {
            "ENGINE": "notesproject.sqlite",
            # Without mode=rw SQLite answers a lost file with a new, empty one. Only `migrate` may create it.
            "NAME": path.as_uri() + "?mode=rw",
            "CONN_MAX_AGE": None,
            "OPTIONS": {
                # A deferred transaction that has read cannot become a writer while another writes: it fails at
                # once, whatever the timeout. IMMEDIATE takes its turn at the start instead.
                "transaction_mode": "IMMEDIATE",
                # So long a write waits for the others before it is a 503.
                "timeout": WAIT_SECONDS,
                # FULL: a write that was acknowledged survives a power cut.
                # secure_delete: what was purged is overwritten in the file too.
                # cache_size: at most 32 MB for each connection. In the 2 MB of the default, a large write does not fit.
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA secure_delete=ON; "
                "PRAGMA cache_size=-32768;",
            },
            "TEST": {"NAME": str(path.with_suffix(".test.sqlite3"))},
        }
    if not config["NAME"]:
        raise ImproperlyConfigured("DATABASE_URL must name the database: postgres://user:password@host:5432/name.")
    parameters = {
        "statement_timeout": "30s",
        "lock_timeout": f"{WAIT_SECONDS}s",
        "idle_in_transaction_session_timeout": "60s",
        # Compiling a query takes longer than any of ours runs.
        "jit": "off",
    }
    options = config.setdefault("OPTIONS", {})
    own = [f"-c {name}={value}" for name, value in parameters.items()]
    # Later ones win: what DATABASE_URL says itself.
    options["options"] = " ".join([*own, options.get("options", "")]).strip()
    return {**config, "CONN_MAX_AGE": 60, "CONN_HEALTH_CHECKS": True}


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
CACHES = {"default": read("CACHE_URL")}

ALLOWED_HOSTS = read("ALLOWED_HOSTS")
ROOT_URLCONF = "notesproject.urls"
WSGI_APPLICATION = "notesproject.wsgi.application"
APPEND_SLASH = False
DATA_UPLOAD_MAX_MEMORY_SIZE = NOTES_MAX_REQUEST_BYTES

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "corsheaders",
    # Before REST framework, some of whose templates are replaced, and static files, whose runserver is.
    "notes",
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
    "corsheaders.middleware.CorsMiddleware",
    "notes.api.middleware.SessionCookieMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "notes.api.middleware.NoBodyMiddleware",
    "django.middleware.common.CommonMiddleware",
    "notes.api.middleware.BodyErrorMiddleware",
    "notes.api.middleware.DatabaseMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
]

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

# django-axes counts the failed logins of people, in the database: right for any number of processes.
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
AXES_HANDLER = "notes.api.throttling.LoginHandler"
AXES_FAILURE_LIMIT = 10
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
# Whoever tries while locked out neither prolongs it nor adds to the table.
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_HTTP_RESPONSE_CODE = 429
AXES_CLIENT_IP_CALLABLE = "notes.api.throttling.address_of"
AXES_USERNAME_CALLABLE = "notes.api.throttling.login_name_of"
AXES_ENABLE_ADMIN = False
AXES_VERBOSE = False

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedStaticFilesStorage"},
}

CORS_ALLOWED_ORIGINS = read("CORS_ALLOWED_ORIGINS")
CORS_URLS_REGEX = r"^/api/.*$"
CORS_ALLOW_HEADERS = [
    "accept",
    "content-type",
    "idempotency-key",
    "if-match",
    "if-none-match",
    "x-api-key",
    "x-request-id",
]
CORS_EXPOSE_HEADERS = [
    "ETag",
    "Idempotency-Replayed",
    "Location",
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
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
    # A view that names no permission of its own is closed to everybody, and notes.E001 refuses the start.
    "DEFAULT_PERMISSION_CLASSES": ["notes.api.permissions.Closed"],
    "DEFAULT_PARSER_CLASSES": [
        "notes.api.parsers.StrictJSONParser",
        # For the forms of the browsable API; NotebookView takes them from a logged-in browser only.
        "rest_framework.parsers.MultiPartParser",
    ],
    "DEFAULT_RENDERER_CLASSES": [
        "rest_framework.renderers.JSONRenderer",
        "rest_framework.renderers.BrowsableAPIRenderer",
    ],
    "DEFAULT_PAGINATION_CLASS": "notes.api.pagination.KeysetPagination",
    "DEFAULT_SCHEMA_CLASS": "notes.api.schema.Schema",
    "EXCEPTION_HANDLER": "notes.api.errors.exception_handler",
    "NUM_PROXIES": NOTES_PROXIES,
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}

SPECTACULAR_SETTINGS = {
    "TITLE": "Notes",
    "VERSION": "1.0.0",
    "DESCRIPTION": "A notes backend you can trust.",
    "COMPONENT_SPLIT_REQUEST": True,
    "SCHEMA_PATH_PREFIX": r"/api/v1",
    "SERVE_INCLUDE_SCHEMA": False,
    "ENUM_NAME_OVERRIDES": {"Level": "notes.models.LEVELS", "AccessLevel": "notes.api.permissions.LEVELS"},
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
        "line": {"format": "%(asctime)s %(levelname)s %(name)s [%(request_id)s] %(message)s"},
    },
    "handlers": {
        "stderr": {"class": "logging.StreamHandler", "filters": ["request_id", "short_security"], "formatter": "line"},
    },
    "root": {"handlers": ["stderr"], "level": read("NOTES_LOG_LEVEL")},
    "loggers": {
        # Django's own handlers would write each line a second time, or mail it to nobody.
        "django": {"handlers": [], "level": "INFO", "propagate": True},
        # RequestLogMiddleware writes one line for every request; these two would repeat it.
        "django.request": {"level": "CRITICAL"},
        # Ours say who and from where in one form; those of django-axes mask both.
        "axes": {"level": "ERROR"},
        "django.server": {"handlers": [], "level": "CRITICAL", "propagate": False},
    },
}
