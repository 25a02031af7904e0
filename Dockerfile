# blockd with real ports. Mount your config at /etc/blockd and keep /var/lib/blockd; docs/operator/packages.md has the commands.

# One image for everybody, whatever the tag means by then; docs/dev/releasing.md says how another is taken. What Debian has
# mended since comes by the upgrades below.
ARG BASE=debian:trixie-slim@sha256:a29215f6a35e51e22adffa17f89e9d2ef06214e64a2bad10d765c46aea49f11f

FROM ${BASE} AS build
# What builds the engine; without it blockd would run in plain Python.
RUN apt-get update -qq && apt-get install -qq --yes --no-install-recommends \
    gcc libc6-dev libnghttp2-dev libssl-dev python3-dev python3-venv && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY pyproject.toml requirements.lock README.md LICENSE CHANGELOG.md ./
COPY packaging packaging
COPY blockd blockd
# Built by tools of the versions that are locked, which stay behind.
RUN python3 -m venv /opt/build \
    && PYTHONPATH=packaging python3 -m blockd_build requirements build > /opt/build/requirements.txt \
    && /opt/build/bin/pip install --quiet --no-cache-dir --require-hashes -r /opt/build/requirements.txt \
    && /opt/build/bin/pip wheel --quiet --no-deps --no-build-isolation --wheel-dir /opt/wheels .
# Only wheels, each with the digest that the lock file has: nothing but blockd is built here.
RUN python3 -m venv --without-pip /opt/blockd \
    && /opt/build/bin/pip --python /opt/blockd/bin/python install --quiet --no-cache-dir --require-hashes \
        --only-binary :all: -r requirements.lock \
    && /opt/build/bin/pip --python /opt/blockd/bin/python install --quiet --no-index --no-deps /opt/wheels/*.whl

FROM ${BASE}
# Python, and what HTTP/2 in C is linked with.
RUN apt-get update -qq && apt-get upgrade -qq --yes && apt-get install -qq --yes --no-install-recommends \
    libnghttp2-14 python3 && rm -rf /var/lib/apt/lists/*
# A fixed number, so that files of a mounted volume keep their owner over rebuilds.
RUN useradd --system --uid 953 --home-dir /var/lib/blockd --create-home --shell /usr/sbin/nologin blockd
COPY --from=build /opt/blockd /opt/blockd
COPY config/service.yaml /etc/blockd/blockd.yaml
ENV PATH=/opt/blockd/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
VOLUME ["/etc/blockd", "/var/lib/blockd"]
EXPOSE 53/udp 53/tcp 80/tcp 443/tcp 853/tcp 9053/tcp
# Docker lets every user bind low ports in the container's own network; for --network host see docs/operator/packages.md.
USER blockd
# By the socket in the state folder, wherever the admin port listens, and over TLS or not.
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s CMD ["python", "-c", "import socket; s = socket.socket(socket.AF_UNIX); s.settimeout(4); s.connect('/var/lib/blockd/admin.sock'); s.sendall(b'GET /healthz HTTP/1.0\\r\\n\\r\\n'); raise SystemExit(b' 200 ' not in s.recv(64))"]
ENTRYPOINT ["blockd"]
CMD ["run", "--config", "/etc/blockd/blockd.yaml"]
