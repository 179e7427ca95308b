# The newsletter as a container. All that is kept lies in /data: config.toml, the database, the archive, the outbox.
#
#   docker build -t daily-papers .
#   docker run --rm -v papers:/data daily-papers init
#   docker run -d --name papers --init --read-only --tmpfs /tmp --stop-timeout 30 -v papers:/data daily-papers
#   docker exec papers newsletter status
#
# compose.yaml does the same, and has a mail catcher to try it with. It runs as user 10001 with no rights of root's, and
# writes nowhere but to /data and /tmp. A secret is given when it runs, in a variable or a file that config.toml names;
# the image holds none.

FROM python:3.11-slim AS build
WORKDIR /src
COPY . .
RUN python -m venv /opt/newsletter \
    && /opt/newsletter/bin/pip install --quiet --no-cache-dir --disable-pip-version-check '.[demo]' \
    && /opt/newsletter/bin/pip uninstall --quiet --yes --disable-pip-version-check setuptools pip

FROM python:3.11-slim
# git for the archive; the other two so that it can push over https and ssh.
RUN apt-get update -qq \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        ca-certificates git openssh-client >/dev/null \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/apt /var/log/dpkg.log \
    && useradd --uid 10001 --user-group --home-dir /data --no-create-home --shell /usr/sbin/nologin newsletter \
    && install -d -o newsletter -g newsletter -m 0700 /data
COPY --from=build /opt/newsletter /opt/newsletter
ENV PATH=/opt/newsletter/bin:$PATH \
    NEWSLETTER_CONFIG=/data/config.toml \
    XDG_STATE_HOME=/data/state
# By number, so that Kubernetes can see that it is not root.
USER 10001:10001
WORKDIR /data
VOLUME /data
STOPSIGNAL SIGTERM
# The web front, once config.toml has [web] host = "0.0.0.0".
EXPOSE 8080
# What has been down for days is overdue until it has fetched, which takes a while: three seconds a request.
HEALTHCHECK --interval=5m --timeout=30s --start-period=15m CMD ["newsletter", "--quiet", "status"]
ENTRYPOINT ["newsletter"]
CMD ["run"]
