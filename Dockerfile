# The server of `headstart serve`: `docker build --tag headstart .`; docs/deployment.md says how to
# run it. Runs and the key file are mounted, and nothing of them is copied in.
FROM python:3.11-slim

WORKDIR /opt/headstart
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY src ./src
RUN pip install --no-cache-dir --constraint constraints.txt ".[serve,images,explain]" \
    && useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin headstart

ENV HF_HUB_OFFLINE=1 HOME=/tmp PYTHONUNBUFFERED=1
USER 10001
EXPOSE 8000
STOPSIGNAL SIGTERM
ENTRYPOINT ["headstart", "serve", "--host", "0.0.0.0", "--key-file", "/run/secrets/keys"]
CMD ["/runs/main"]
