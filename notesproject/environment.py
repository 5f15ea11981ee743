"""The environment variables, each with its reader and default. A wrong value stops the start with one line."""

import os
from pathlib import Path

import environ
from django.core.exceptions import ImproperlyConfigured

BASE_DIR = Path(__file__).resolve().parent.parent

# Without what .env says, which may be another thing when the server reloads.
REAL_ENVIRONMENT = dict(os.environ)
environ.Env.read_env(BASE_DIR / os.environ.get("NOTES_ENV_FILE", ".env"))

REQUIRED = object()


def switch(text):
    """Refuse `DEBUG=flase`, which many bool readers would take for False."""
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


def token(text):
    return text and secret(text)


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


def log_format(text):
    if text not in {"text", "json"}:
        raise ValueError("write text or json")
    return text


def cache(url):
    """Return Django's settings for the cache in which requests are counted for the rate limits."""
    if url == "memory://":
        return {"BACKEND": "notesproject.counters.SharedCounters"}
    scheme = url.partition("://")[0]
    try:
        config = environ.Env.cache_url_config(url)
    except ImproperlyConfigured:
        scheme = None
    if scheme in {"redis", "rediss"}:
        # A cache that does not answer must not hold up the requests that it counts.
        timeouts = {"socket_connect_timeout": 0.5, "socket_timeout": 0.5}
        return {**config, "OPTIONS": {**timeouts, **config.get("OPTIONS", {})}}
    raise ValueError("write redis://HOST:PORT/NUMBER or memory://")


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
    "NOTES_ANSWERS_BYTES": (count, "16000000"),
    "CACHE_URL": (cache, "memory://"),
    "NOTES_LOG_LEVEL": (log_level, "INFO"),
    "NOTES_LOG_FORMAT": (log_format, "text"),
    "NOTES_SLOW_MS": (count, "1000"),
    "NOTES_METRICS": (switch, "False"),
    "NOTES_METRICS_TOKEN": (token, ""),
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
                # The driver need not make datetimes of its rows: Django does so for models, and answers show the text.
                "detect_types": 0,
                # A write waits this long for others before it is a 503.
                "timeout": WAIT_SECONDS,
                # FULL: an acknowledged write survives a power cut.
                # secure_delete: what was purged is overwritten in the file too.
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA secure_delete=ON;",
            },
            "TEST": {"NAME": str(path.with_suffix(".test.sqlite3"))},
        }
    if not config["NAME"]:
        raise ImproperlyConfigured("DATABASE_URL must name the database: postgres://user:password@host:5432/name.")
    parameters = {
        "statement_timeout": "30s",
        "lock_timeout": f"{WAIT_SECONDS}s",
        "idle_in_transaction_session_timeout": "60s",
        # Compiling a query takes longer than running any of ours.
        "jit": "off",
    }
    options = config.setdefault("OPTIONS", {})
    own = [f"-c {name}={value}" for name, value in parameters.items()]
    # Later options win, so those of DATABASE_URL come last.
    options["options"] = " ".join([*own, options.get("options", "")]).strip()
    return {**config, "ENGINE": "notesproject.postgresql", "CONN_MAX_AGE": 60, "CONN_HEALTH_CHECKS": True}
