"""Settings for the tests: those of the project, whatever the machine's environment or a developer's .env say.

pytest-django reads them before any conftest. Processes that tests start inherit the environment.
"""

import atexit
import os
import shutil
import tempfile

from tests.keys import OPERATOR_KEY

OTHERS = {"CACHE_URL", "CORS_ALLOWED_ORIGINS", "CSRF_TRUSTED_ORIGINS"}
for name in [name for name in os.environ if name.startswith("NOTES_") or name in OTHERS]:
    del os.environ[name]
os.environ.update(
    NOTES_ENV_FILE=os.devnull,
    SECRET_KEY="a secret key for the tests alone",
    API_KEY=OPERATOR_KEY,
    DEBUG="False",
    ALLOWED_HOSTS="testserver,localhost,127.0.0.1",
    # test_throttling.py sets rates of its own.
    NOTES_RATE_READS="off",
    NOTES_RATE_WRITES="off",
    NOTES_RATE_FAILURES="off",
    # Off by default: test_metrics.py tries that too.
    NOTES_METRICS="True",
    # Only tests/postgres.py sets another database: the machine's own DATABASE_URL may be that of the service.
    DATABASE_URL=os.environ.get("TESTS_DATABASE_URL", "sqlite:///unused.sqlite3"),
)

from notesproject.settings import *  # noqa: E402, F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
# Each client of a test has a handler of its own, which would look for all static files first.
WHITENOISE_AUTOREFRESH = True

if DATABASES["default"]["ENGINE"] == "notesproject.sqlite":  # noqa: F405
    # A file, not memory: threads and server processes share it.
    folder = tempfile.mkdtemp(prefix="notes-tests-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    DATABASES["default"]["TEST"] = {"NAME": os.path.join(folder, "test.sqlite3")}  # noqa: F405
