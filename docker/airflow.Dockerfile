# Airflow's services and workers: one image, the command says which. Build from the repository's root.
FROM python:3.12-slim-bookworm AS packages

# behind a mirror: --build-arg PIP_INDEX_URL=…, which stays in this stage
ARG PIP_INDEX_URL
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore

COPY requirements-bootstrap.txt requirements.txt /tmp/
RUN python -m venv /opt/venv \
    && /opt/venv/bin/pip install -q --require-hashes -r /tmp/requirements-bootstrap.txt \
    && /opt/venv/bin/pip install -q --require-hashes --compile -r /tmp/requirements.txt

FROM python:3.12-slim-bookworm

# Pango prints the page, and DejaVu is the face that it is set in; dumb-init passes signals on to a service's children
RUN apt-get -qq update \
    && DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install \
        dumb-init fonts-dejavu-core libharfbuzz-subset0 libpango-1.0-0 libpangoft2-1.0-0 >/dev/null \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --create-home --shell /usr/sbin/nologin vmeste \
    && install -d -o vmeste -g vmeste /var/lib/vmeste /var/lib/bi /home/vmeste/airflow

COPY --from=packages /opt/venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    # the code is compiled below, and nobody may write beside it
    PYTHONDONTWRITEBYTECODE=1 \
    AIRFLOW_HOME=/home/vmeste/airflow \
    VMESTE_HOME=/var/lib/vmeste

WORKDIR /opt/vmeste
COPY pyproject.toml README.md ./
COPY plugins plugins
RUN pip install -q --no-deps --no-build-isolation --no-cache-dir --disable-pip-version-check --root-user-action ignore \
        -e . \
    && python -m compileall -q plugins
COPY dags dags
COPY dbt_project dbt_project
COPY expectations expectations
COPY forms forms
COPY examples examples

# last, for it changes with each commit: a release carries it, and there is no git here
ARG VMESTE_CODE_REVISION=
ENV VMESTE_CODE_REVISION=$VMESTE_CODE_REVISION

USER vmeste
ENTRYPOINT ["dumb-init", "--"]
CMD ["airflow", "version"]
