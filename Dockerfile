# The newsletter as a container. All that is kept lies in /data: config.toml, the database, the archive, the outbox.
#
#   docker build -t daily-papers .
#   docker run --rm -v papers:/data daily-papers init
#   docker run --rm -v papers:/data daily-papers publish
#
# The root file system may be read-only: docker run --read-only --tmpfs /tmp ...
# A secret is given when it runs, in a variable or a file that config.toml names; the image holds none.

FROM python:3.11-slim AS build
WORKDIR /src
COPY . .
RUN python -m venv /opt/newsletter \
    && /opt/newsletter/bin/pip install --quiet --no-cache-dir --disable-pip-version-check '.[demo]' \
    && /opt/newsletter/bin/pip uninstall --quiet --yes --disable-pip-version-check setuptools pip

FROM python:3.11-slim
RUN apt-get update -qq \
    && apt-get install -y -qq --no-install-recommends git >/dev/null \
    && apt-get clean \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --user-group --home-dir /data --no-create-home newsletter \
    && install -d -o newsletter -g newsletter -m 0700 /data
COPY --from=build /opt/newsletter /opt/newsletter
ENV PATH=/opt/newsletter/bin:$PATH \
    NEWSLETTER_CONFIG=/data/config.toml \
    XDG_STATE_HOME=/data/state
USER newsletter
WORKDIR /data
VOLUME /data
HEALTHCHECK --interval=5m --timeout=30s --start-period=1m CMD ["newsletter", "--quiet", "status"]
ENTRYPOINT ["newsletter"]
CMD ["publish"]
