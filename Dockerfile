# One image for all programs; docker-compose.yml and the Procfile say which commands there are.
FROM python:3.13.9-slim-trixie AS packages
COPY requirements-runtime.lock /
# Wheels alone, each by its hash: nothing is compiled, and nothing that could compile is needed.
RUN python -m venv --without-pip /opt/cmqueue \
 && python -m pip --python /opt/cmqueue/bin/python install --no-cache-dir --disable-pip-version-check \
      --require-hashes --only-binary :all: --requirement /requirements-runtime.lock

FROM python:3.13.9-slim-trixie
RUN groupadd --system --gid 10001 cmqueue \
 && useradd --system --uid 10001 --gid cmqueue --no-create-home --shell /usr/sbin/nologin cmqueue \
 && python -m pip uninstall --yes --quiet --root-user-action=ignore pip
COPY --from=packages /opt/cmqueue /opt/cmqueue
ENV PATH=/opt/cmqueue/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
WORKDIR /srv/cmqueue
COPY pyproject.toml ./
COPY deploy deploy
COPY calling calling
COPY cmqueue cmqueue
COPY config config
COPY listening listening
COPY producers producers
COPY receivers receivers
COPY worker worker
RUN python deploy/link_checkout.py && python -m compileall -q .
USER 10001:10001

# SIGTERM reaches Celery itself, which is process 1: no new POST starts, what is in flight is written down.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=20s --start-period=30s CMD ["python", "deploy/worker_health.py"]
CMD ["celery", "-A", "worker", "worker"]
