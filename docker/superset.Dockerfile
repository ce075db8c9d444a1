# Superset's web server and its provisioning: one image, the command says which. Build from the repository's root.
FROM python:3.12-slim-bookworm AS packages

# behind a mirror: --build-arg PIP_INDEX_URL=…, which stays in this stage
ARG PIP_INDEX_URL
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore

COPY superset/requirements.txt /tmp/
RUN python -m venv /opt/venv \
    && /opt/venv/bin/pip install -q --require-hashes --compile -r /tmp/requirements.txt

FROM python:3.12-slim-bookworm

RUN apt-get -qq update \
    && DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install dumb-init >/dev/null \
    && rm -rf /var/lib/apt/lists/* \
    # the number of the other image's user, so that both may read what `init` leaves in the volume between them
    && useradd --uid 10001 --create-home --shell /usr/sbin/nologin vmeste \
    && install -d -o vmeste -g vmeste /var/lib/superset /var/lib/bi

COPY --from=packages /opt/venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    SUPERSET_CONFIG_PATH=/opt/superset/superset_config.py \
    SUPERSET_HOME=/var/lib/superset \
    VMESTE_BI_LOGIN=/var/lib/bi/bi_reader.json \
    VMESTE_BI_USERS=/var/lib/bi/superset_users.json

WORKDIR /opt/superset
COPY superset .
COPY docker/superset.py /usr/local/lib/superset.py

USER vmeste
ENTRYPOINT ["dumb-init", "--", "python", "/usr/local/lib/superset.py"]
CMD ["gunicorn", "--bind", "0.0.0.0:8088", "--worker-class", "gthread", "--workers", "2", "--threads", "8", "--timeout", "120", "superset.app:create_app()"]
