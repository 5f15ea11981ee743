FROM python:3.13-slim-bookworm AS packages
WORKDIR /opt/notes
COPY requirements.txt .
RUN python -m venv .venv \
    && .venv/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements.txt \
    && .venv/bin/pip uninstall --yes --quiet pip

FROM python:3.13-slim-bookworm
RUN useradd --system --uid 10001 --no-create-home notes && install -d -o notes -m 700 /var/lib/notes
WORKDIR /opt/notes
COPY --from=packages /opt/notes/.venv .venv
COPY manage.py pyproject.toml ./
COPY notesproject notesproject
COPY notes notes
COPY docs docs
RUN .venv/bin/python -m compileall -q notes notesproject
ENV PATH=/opt/notes/.venv/bin:$PATH \
    DATABASE_URL=sqlite:////var/lib/notes/notes.sqlite3 \
    NOTES_ENV_FILE=/dev/null
USER 10001
VOLUME /var/lib/notes
EXPOSE 8000
# ALLOWED_HOSTS needs 127.0.0.1 for it.
HEALTHCHECK --start-period=30s CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/healthz', timeout=5)"]
# Any command of manage.py may take the place of `serve`.
ENTRYPOINT ["python", "manage.py"]
CMD ["serve", "--host", "0.0.0.0"]
