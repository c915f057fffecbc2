# The service, workers without a GPU, and beat; without torch.
FROM python:3.11.13-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/dyad
WORKDIR /src
# Dependencies first: they change rarely, so this layer stays cached when only the code changes.
COPY pyproject.toml constraints.txt README.md LICENSE ./
RUN mkdir app models worker && printf '__version__ = "0"\n' > app/__init__.py && touch models/__init__.py worker/__init__.py \
    && /opt/dyad/bin/pip install -c constraints.txt ".[cluster,gis,otel]" && /opt/dyad/bin/pip uninstall -y dyad
COPY app app
COPY models models
COPY worker worker
RUN /opt/dyad/bin/pip install --no-deps -c constraints.txt .

FROM python:3.11.13-slim-bookworm
RUN useradd --system --uid 10001 --home-dir /var/lib/dyad --create-home --shell /usr/sbin/nologin dyad \
    && install --directory --owner dyad --group dyad --mode 0750 /etc/dyad
COPY --from=build /opt/dyad /opt/dyad
# All writes go to DYAD_HOME and /tmp, so the root file system can be read-only.
ENV PATH=/opt/dyad/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    DYAD_HOME=/var/lib/dyad DYAD_LOG_FORMAT=json MPLCONFIGDIR=/tmp/matplotlib
VOLUME /var/lib/dyad
WORKDIR /var/lib/dyad
USER 10001:10001
EXPOSE 8000
STOPSIGNAL SIGTERM
CMD ["dyad", "serve"]
