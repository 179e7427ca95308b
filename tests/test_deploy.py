"""What the newsletter is run with: Dockerfile, compose.yaml, systemd units, and the workflow of a fork's archive.

The workflow's steps are run here in their order, as GitHub would run them, against an arXiv of our own.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from house import make_paper

from newsletter.cli import newsletter
from newsletter.config import load
from newsletter.daemon.child import GRACE
from newsletter.demo.arxiv import ArxivStandIn
from newsletter.demo.world import World
from newsletter.rendering.readme import BEGIN, END, README, Section, render_archive

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
WORKFLOW = ROOT / ".github" / "workflows" / "archive.yml"
PAPER = re.compile(r"https://arxiv\.org/abs/(\S+?)\)")
ADDRESS = re.compile(r"[\w.+-]+@[\w-]+\.\w+")


def check_command(words: list[str]) -> None:
    """That a command line, without the program's name, is one of ours."""
    command: click.Command = newsletter
    while isinstance(command, click.Group):
        _, words, _ = command.make_parser(click.Context(command)).parse_args(list(words))
        command = command.commands[words.pop(0)]
    command.make_parser(click.Context(command)).parse_args(words)


def seconds(text: str) -> float:
    """A length of time as Docker and systemd write it."""
    number, unit = re.fullmatch(r"(\d+)(s|min|m|h)", text).groups()  # type: ignore[union-attr]
    return int(number) * {"s": 1, "m": 60, "min": 60, "h": 3600}[unit]


# ---------------------------------------------------------------- the image


@pytest.fixture(scope="module")
def dockerfile() -> list[tuple[str, str]]:
    """The instructions, in their order."""
    text = re.sub(r"(?m)^#.*\n", "", (ROOT / "Dockerfile").read_text(encoding="utf-8")).replace("\\\n", "")
    lines = (line.split(None, 1) for line in text.splitlines() if line)
    return [(word, " ".join(rest.split())) for word, rest in lines]


def last(dockerfile: list[tuple[str, str]], word: str) -> str:
    return [rest for name, rest in dockerfile if name == word][-1]


def test_the_image_holds_what_was_built_and_not_what_built_it(dockerfile: list[tuple[str, str]]) -> None:
    stages = [number for number, (word, _) in enumerate(dockerfile) if word == "FROM"]
    assert len(stages) == 2
    assert dockerfile[stages[0]][1].endswith(" AS build")
    copied = [rest for word, rest in dockerfile[stages[1] :] if word in ("COPY", "ADD")]
    assert copied == ["--from=build /opt/newsletter /opt/newsletter"]


def test_the_image_runs_as_a_user_who_owns_nothing_but_the_data(dockerfile: list[tuple[str, str]]) -> None:
    words = [word for word, _ in dockerfile]
    user, group = map(int, last(dockerfile, "USER").split(":"))
    assert user > 0
    assert group > 0
    assert "RUN" not in words[words.index("USER") :]
    made = last(dockerfile, "RUN")
    assert f"--uid {user} " in made
    assert re.findall(r"chown|chmod|install -d[^&]*", made) == ["install -d -o newsletter -g newsletter -m 0700 /data"]
    assert last(dockerfile, "VOLUME") == last(dockerfile, "WORKDIR") == "/data"
    kept = dict(re.findall(r"(\w+)=(\S+)", last(dockerfile, "ENV")))
    assert kept["NEWSLETTER_CONFIG"] == "/data/config.toml"
    assert kept["XDG_STATE_HOME"].startswith("/data/")


def test_the_image_starts_the_daemon_and_is_as_well_as_its_status(dockerfile: list[tuple[str, str]]) -> None:
    assert json.loads(last(dockerfile, "ENTRYPOINT")) == ["newsletter"]
    assert json.loads(last(dockerfile, "CMD")) == ["run"]
    assert last(dockerfile, "STOPSIGNAL") == "SIGTERM"
    options, command = last(dockerfile, "HEALTHCHECK").split(" CMD ")
    program, *words = json.loads(command)
    assert (program, words[-1]) == ("newsletter", "status")
    check_command(words)
    lengths = {name: seconds(text) for name, text in re.findall(r"--([a-z-]+)=(\S+)", options)}
    assert lengths["timeout"] < lengths["interval"] < lengths["start-period"]


def test_what_is_sent_to_the_builder_is_what_the_wheel_needs() -> None:
    rules = (ROOT / ".dockerignore").read_text(encoding="utf-8").split("\n")
    admitted = {rule[1:] for rule in rules if rule.startswith("!")}
    assert "*" in rules
    assert admitted == {"newsletter", "templates", "config.toml", "pyproject.toml", "README.md", "LICENSE"}
    assert {"**/*.db", "**/*.db-*", "**/*.db.*"} <= set(rules)


# ---------------------------------------------------------------- compose


@pytest.fixture(scope="module")
def compose() -> Any:
    return yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", ["newsletter", "try", "mail"])
def test_no_service_has_more_rights_than_it_needs(compose: Any, name: str) -> None:
    service = compose["services"][name]
    assert service["read_only"] is True
    assert service["tmpfs"] == "/tmp"
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service
    assert "user" not in service  # the image's own


@pytest.mark.parametrize(("name", "config"), [("newsletter", "./config.toml"), ("try", "./deploy/try.toml")])
def test_a_newsletter_has_a_volume_of_its_own_and_its_configuration(compose: Any, name: str, config: str) -> None:
    service = compose["services"][name]
    volume, mounted = service["volumes"]
    assert mounted == f"{config}:/data/config.toml:ro"
    kept = load(ROOT / config)
    assert kept.newsletter.database.parent == kept.archive.path.parent == kept.path.parent  # so, in /data
    source, _, place = volume.partition(":")
    assert place == "/data"
    assert source in compose["volumes"]
    assert len(compose["volumes"]) == 2
    assert service["build"] == "."
    assert service["init"] is True
    check_command(service["command"].split())
    assert seconds(service["stop_grace_period"]) > GRACE


def test_the_service_is_started_again_and_alone(compose: Any) -> None:
    assert compose["services"]["newsletter"]["restart"] == "unless-stopped"
    assert [name for name, service in compose["services"].items() if "profiles" not in service] == ["newsletter"]
    assert compose["services"]["newsletter"]["environment"] == ["SMTP_PASSWORD"]  # the name, never the secret


def test_the_try_out_asks_arxiv_and_mails_nobody(compose: Any) -> None:
    service, catcher = compose["services"]["try"], compose["services"]["mail"]
    assert service["depends_on"] == ["mail"]
    assert service["profiles"] == catcher["profiles"]
    config = load(DEPLOY / "try.toml")
    assert (config.delivery.transport, config.smtp.host, config.smtp.port) == ("smtp", "mail", 1025)
    assert config.arxiv.api_url == "https://export.arxiv.org/api/query"
    assert (config.newsletter.publish_at.hour, config.newsletter.publish_until.hour) == (0, 23)
    assert re.fullmatch(r"axllent/mailpit:v\d+\.\d+\.\d+", catcher["image"])


def test_nothing_is_open_to_other_machines(compose: Any) -> None:
    ports = [port for service in compose["services"].values() for port in service.get("ports", ())]
    assert ports == ["127.0.0.1:8025:8025"]


def test_the_commands_told_in_compose_yaml_are_there(compose: Any) -> None:
    text = (ROOT / "compose.yaml").read_text(encoding="utf-8")
    told = re.findall(r"(?m)^# +docker compose (.*?)(?: +#.*)?$", text)
    ours = [re.sub(r"^(run --rm try|exec newsletter newsletter) ", "", line) for line in told]
    commands = [line for line, whole in zip(ours, told, strict=True) if line != whole]
    assert len(commands) == 3
    for command in commands:
        check_command(command.split())
    assert set(told) - {whole for line, whole in zip(ours, told, strict=True) if line != whole} == {
        "up try",
        "--profile try down --volumes",
        "up --detach",
    }


@pytest.mark.skipif(shutil.which("docker-compose") is None, reason="docker-compose is not there")
def test_compose_itself_takes_it() -> None:
    command = ["docker-compose", "--profile", "try", "config", "--services"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert set(done.stdout.split()) == {"newsletter", "try", "mail"}


# ---------------------------------------------------------------- systemd

SERVICES = sorted(path.name for path in DEPLOY.glob("*.service"))
TIMERS = sorted(path.name for path in DEPLOY.glob("*.timer"))
PROGRAM = "/opt/newsletter/bin/newsletter"
needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not there")


def settings(name: str, key: str) -> list[str]:
    """What a unit sets a key to, each time it does."""
    return re.findall(rf"(?m)^{key}=(.*)$", (DEPLOY / name).read_text(encoding="utf-8"))


def hardening(name: str) -> list[str]:
    text = (DEPLOY / name).read_text(encoding="utf-8")
    return text[text.index("UMask=") :].partition("\n\n")[0].splitlines()


@needs_systemd
def test_systemd_takes_every_unit(tmp_path: Path) -> None:
    for name in (*SERVICES, *TIMERS):
        text = (DEPLOY / name).read_text(encoding="utf-8")
        (tmp_path / name).write_text(text.replace(PROGRAM, "/bin/true"))  # which is installed
    command = ["systemd-analyze", "verify", "--man=no", *(str(tmp_path / name) for name in (*SERVICES, *TIMERS))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@needs_systemd
@pytest.mark.parametrize("name", SERVICES)
def test_systemd_finds_little_exposed(name: str) -> None:
    known = subprocess.run(["systemd-analyze", "--version"], capture_output=True, text=True, check=True).stdout
    if int(known.split()[1]) < 250:
        pytest.skip("systemd-analyze before 250 does not judge a file")
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=20", str(DEPLOY / name)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    exposure = re.search(r"exposure level for \S+: ([\d.]+) OK", done.stdout)
    assert exposure is not None
    assert float(exposure[1]) < 2.0


def test_all_services_are_hardened_alike() -> None:
    first = hardening("newsletter.service")
    assert len(first) > 20
    assert all(hardening(name) == first for name in SERVICES)


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_its_own_user_and_one_folder(name: str) -> None:
    assert settings(name, "User") == ["newsletter"]
    (state,) = settings(name, "StateDirectory")
    assert state.split()[0] == "newsletter"
    assert settings(name, "WorkingDirectory") == ["/var/lib/newsletter"]
    assert settings(name, "Environment") == ["NEWSLETTER_CONFIG=/var/lib/newsletter/config.toml"]
    assert settings(name, "ReadWritePaths") == []


def test_the_daemon_is_started_again_unless_its_configuration_is_wrong() -> None:
    (command,) = settings("newsletter.service", "ExecStart")
    assert command == f"{PROGRAM} run"
    check_command(command.split()[1:])
    assert settings("newsletter.service", "Restart") == ["on-failure"]
    assert settings("newsletter.service", "RestartPreventExitStatus") == ["2"]


def test_the_daemon_ends_its_own_processes() -> None:
    assert settings("newsletter.service", "KillMode") == ["mixed"]
    assert seconds(settings("newsletter.service", "TimeoutStopSec")[0]) > GRACE


def test_without_the_daemon_a_timer_publishes_and_tries_once_more() -> None:
    (command,) = settings("newsletter-publish.service", "ExecStart")
    assert command == f"{PROGRAM} publish"
    assert settings("newsletter-publish.service", "Type") == ["oneshot"]
    (times,) = settings("newsletter-publish.timer", "OnCalendar")
    config = load(ROOT / "config.toml").newsletter
    assert times == f"*-*-* {config.publish_at.hour:02},12:00 {config.timezone}"
    assert settings("newsletter-publish.timer", "Persistent") == ["true"]
    assert settings("newsletter-publish.timer", "RandomizedDelaySec")


def test_each_night_a_backup_is_written_over_that_of_a_week_ago() -> None:
    (command,) = settings("newsletter-backup.service", "ExecStart")
    inner = re.fullmatch(rf"/bin/sh -c 'exec {PROGRAM} (backup \"(.*)/weekday-\$\$\(date \+%%u\)\.db\")'", command)
    assert inner is not None
    check_command(inner[1].split())
    assert settings("newsletter-backup.service", "StateDirectory") == [f"newsletter newsletter/{inner[2]}"]
    assert settings("newsletter-backup.timer", "Persistent") == ["true"]


@pytest.mark.parametrize("name", TIMERS)
def test_a_timer_starts_the_service_of_its_name(name: str) -> None:
    assert name.replace(".timer", ".service") in SERVICES
    assert settings(name, "Unit") == []
    assert settings(name, "WantedBy") == ["timers.target"]


# ---------------------------------------------------------------- a fork on GitHub: what stands in the files


@pytest.fixture(scope="module")
def workflow() -> Any:
    text = WORKFLOW.read_text(encoding="utf-8")
    return yaml.safe_load(re.sub("(?m)^on:", "'on':", text))  # YAML 1.1 takes the bare word for true


def holds(condition: str, context: Mapping[str, object]) -> bool:
    """An expression of GitHub's, as far as ours go: `||` and `&&` of names, and of names compared with a text."""

    def value(term: str) -> bool:
        name, comparison, text = re.fullmatch(r"(.*?)(?: (==|!=) '(.*)')?", term).groups()  # type: ignore[union-attr]
        known = context[name]
        return bool(known) if comparison is None else (known == text) is (comparison == "==")

    return any(all(map(value, part.split(" && "))) for part in condition.split(" || "))


@pytest.mark.parametrize(
    ("fork", "archive", "runs"),
    [(True, "", True), (False, "", False), (False, "on", True), (None, "", False), (False, "off", False)],
)
def test_it_runs_in_a_fork_and_where_it_was_asked_for(
    workflow: Any, fork: bool | None, archive: str, runs: bool
) -> None:
    condition = workflow["jobs"]["publish"]["if"]
    assert holds(condition, {"github.event.repository.fork": fork, "vars.ARCHIVE": archive}) is runs


def test_it_runs_after_each_announcement_and_when_told(workflow: Any) -> None:
    assert workflow["on"].keys() == {"schedule", "workflow_dispatch"}
    for entry in workflow["on"]["schedule"]:
        minute, hour, day, month, weekdays = entry["cron"].split()
        assert (day, month, weekdays) == ("*", "*", "1-5")
        assert 5 < int(minute) < 55
        assert int(hour) >= 5  # the announcement is at 00:00 or 01:00 UTC, and the index takes hours
    assert len(workflow["on"]["schedule"]) == 2


def test_it_may_write_to_the_repository_and_nothing_else(workflow: Any) -> None:
    assert workflow["permissions"] == {"contents": "write"}
    (job,) = workflow["jobs"].values()
    assert "permissions" not in job
    assert "secrets." not in WORKFLOW.read_text(encoding="utf-8")
    assert workflow["concurrency"] == {"group": "archive", "cancel-in-progress": False}
    assert 0 < job["timeout-minutes"] <= 60
    uses = [step["uses"] for step in job["steps"] if "uses" in step]
    assert all(re.fullmatch(r"actions/[a-z/-]+@v\d+", use) for use in uses)


def test_the_forks_configuration() -> None:
    config = load(ROOT / "fork.toml")
    assert config.archive.path == ROOT
    assert config.archive.push
    assert config.newsletter.database == ROOT / ".state" / "subscribers.db"
    assert config.delivery.transport == "maildir"
    assert config.topics
    assert f"newest {config.digest.backlog} papers" in WORKFLOW.read_text(encoding="utf-8").replace("\n# ", " ")
    addresses = {address for path in (ROOT / "fork.toml", WORKFLOW) for address in ADDRESS.findall(path.read_text())}
    assert addresses <= {"papers@example.org", "bot]@users.noreply.github.com"}


def parts(readme: str) -> tuple[str, str, str]:
    """What stands before, between and after the markers."""
    before, _, rest = readme.partition(BEGIN)
    between, _, after = rest.partition(END)
    return before, between, after


def test_our_readme_has_the_markers_at_its_end_and_nothing_between() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert (text.count(BEGIN), text.count(END)) == (1, 1)
    assert text.endswith(f"\n{BEGIN}\n{END}\n")
    pages = render_archive(text, "Daily Papers", date(2026, 1, 6), [Section("Graphs", (make_paper(1),))], 100)
    before, between, after = parts(pages[README])
    assert (before, after) == (parts(text)[0], parts(text)[2])
    assert "\n## Graphs\n" in between
    assert "https://arxiv.org/abs/0001.00001v1" in between


# ---------------------------------------------------------------- a fork on GitHub: what the workflow does

git_missing = shutil.which("git") is None or not (ROOT / ".git").exists()
needs_git = pytest.mark.skipif(git_missing, reason="this is no git checkout")


@dataclass
class GitHub:
    """A fork, the cache, and a runner for the workflow's one job. Its clock is the date that editions get."""

    folder: Path
    arxiv: ArxivStandIn
    job: dict[str, Any]
    caches: dict[str, Path] = field(default_factory=dict)
    runs: int = 0
    before_publishing: Callable[[], object] = lambda: None

    @property
    def remote(self) -> Path:
        return self.folder / "fork.git"

    def git(self, where: Path, *arguments: str) -> str:
        names = {f"GIT_{role}_{what}": f"x{what}" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        command = ["git", "-C", str(where), *arguments]
        done = subprocess.run(command, env=self.environment() | names, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def environment(self) -> dict[str, str]:
        """A machine that knows nobody; its `newsletter` is the one that was checked out, and `pip` writes down."""
        return {
            "PATH": f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(self.folder / "home"),
            "GIT_CONFIG_NOSYSTEM": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "GITHUB_SERVER_URL": "https://github.com",
            "GITHUB_REPOSITORY": "someone/papers",
        }

    def show(self, path: str, commit: str = "main") -> str:
        return self.git(self.remote, "show", f"{commit}:{path}")

    def names(self, commit: str = "main") -> list[str]:
        return self.git(self.remote, "ls-tree", "-r", "--name-only", commit).splitlines()

    def changed(self, commit: str = "main") -> list[str]:
        return self.git(self.remote, "show", "--format=", "--name-only", commit).splitlines()

    def subjects(self) -> list[str]:
        return self.git(self.remote, "log", "--format=%s", "main").splitlines()

    def clone(self, name: str) -> Path:
        shutil.rmtree(self.folder / name, ignore_errors=True)
        self.git(self.folder, "clone", "-q", "-b", "main", str(self.remote), name)
        return self.folder / name

    def run(self, day: date) -> str:
        """Run the job on a new machine; return the name of the step that failed, or nothing."""
        self.runs += 1
        work, failed = self.folder / f"work{self.runs}", ""
        for step in self.job["steps"]:
            name = step.get("name") or step["uses"]
            path = re.search(r"hashFiles\('(.*?)'\)", step.get("if", ""))
            known: dict[str, object] = {"always()": True}
            if path is not None:
                known[path[0]] = "a hash" if (work / path[1]).exists() else ""
            condition = step.get("if", "success()")
            if not re.search(r"(always|success|failure|cancelled)\(\)", condition):
                condition = f"success() && {condition}"
            if not holds(condition, known | {"success()": not failed}):
                continue
            try:
                self._step(step, work, day)
            except subprocess.CalledProcessError as error:
                failed = failed or f"{name}: {error.output}"
        return failed

    def _step(self, step: Mapping[str, Any], work: Path, day: date) -> None:
        given = {key: self._filled(str(text)) for key, text in step.get("with", {}).items()}
        match step.get("uses", "run").partition("@")[0]:
            case "run":
                if "publish" in step["run"]:
                    self.before_publishing()
                # As GitHub calls it where no shell is named.
                command, environment = ["bash", "-e", "-c", step["run"]], {**self.environment(), "DAY": str(day)}
                stdout, stderr = subprocess.PIPE, subprocess.STDOUT
                subprocess.run(command, cwd=work, env=environment, stdout=stdout, stderr=stderr, text=True, check=True)
            case "actions/checkout":
                depth = given.get("fetch-depth", "1")
                self.git(self.folder, "init", "-q", str(work))
                self.git(work, "remote", "add", "origin", self.remote.as_uri())
                heads = "+refs/heads/main:refs/remotes/origin/main"
                self.git(work, "fetch", "-q", "--no-tags", f"--depth={depth}", "origin", heads)
                self.git(work, "checkout", "-q", "--force", "-B", "main", "refs/remotes/origin/main")
            case "actions/setup-python":
                assert given["python-version"] >= "3.11"
            case "actions/cache/restore":
                found = [key for key in self.caches if key.startswith(given["restore-keys"])]
                assert given["key"] not in found  # it would be taken, and could not be saved again
                if found:
                    shutil.copytree(self.caches[found[-1]], work / given["path"])
            case "actions/cache/save":
                place = self.folder / "caches" / given["key"]
                shutil.copytree(work / given["path"], place)
                self.caches[given["key"]] = place
            case other:
                pytest.fail(f"{other} is not known here")

    def _filled(self, text: str) -> str:
        values = {"github.run_id": str(self.runs), "github.run_attempt": "1"}
        return re.sub(r"\$\{\{ (.*?) \}\}", lambda match: values[match[1]], text)


@dataclass
class Moment:
    """The time at arXiv."""

    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __call__(self) -> datetime:
        return self.now


YESTERDAY = datetime.now(UTC).date() - timedelta(days=1)
TODAY = YESTERDAY + timedelta(days=1)


@pytest.fixture(scope="module")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This repository with what is in its work tree, as one commit."""
    folder = tmp_path_factory.mktemp("upstream")
    command = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\0")
    for name in filter(None, names):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder


@pytest.fixture
def arxiv() -> Iterator[tuple[ArxivStandIn, Moment]]:
    moment = Moment()
    with ArxivStandIn(World(YESTERDAY, moment)) as server:
        yield server, moment


@pytest.fixture
def github(tmp_path: Path, upstream: Path, arxiv: tuple[ArxivStandIn, Moment], workflow: Any) -> GitHub:
    """A fork whose owner has put topics into fork.toml, and our arXiv in the place of the real one."""
    hub = GitHub(tmp_path, arxiv[0], workflow["jobs"]["publish"])
    for name in ("bin", "home", "caches"):
        (tmp_path / name).mkdir()
    scripts = {
        "pip": 'echo "$@" >> "$HOME/pip"',
        "newsletter": f'exec "{sys.executable}" -m newsletter "$@" --date "$DAY"',
    }
    for name, script in scripts.items():
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    shutil.copytree(upstream, tmp_path / "upstream")
    hub.git(tmp_path / "upstream", "init", "-q", "-b", "main")
    hub.git(tmp_path / "upstream", "add", "--all")
    hub.git(tmp_path / "upstream", "commit", "-q", "-m", "Upstream")
    hub.git(tmp_path, "clone", "-q", "--bare", "upstream", "fork.git")
    owner = hub.clone("owner")
    hosts = "".join(f'{key} = "{arxiv[0].url}"\n' for key in ("api_url", "feed_url", "oai_url"))
    text = (owner / "fork.toml").read_text().replace("Vision Language Model", "Graph Neural Networks")
    (owner / "fork.toml").write_text(text.replace("[arxiv]\n", f"[arxiv]\ninterval = 0\n{hosts}"))
    hub.git(owner, "commit", "-q", "-a", "-m", "Our topics")
    hub.git(owner, "push", "-q")
    return hub


def first_day(hub: GitHub, moment: Moment) -> None:
    moment.now = datetime.combine(YESTERDAY, moment.now.time(), UTC)
    assert hub.run(YESTERDAY) == ""


def page(day: date) -> str:
    return f"editions/{day:%Y/%m/%d}.md"


@needs_git
def test_two_days_in_a_fork(github: GitHub, arxiv: tuple[ArxivStandIn, Moment]) -> None:
    moment, readme = arxiv[1], (ROOT / "README.md").read_text(encoding="utf-8")
    before = github.names()
    first_day(github, moment)
    assert (github.folder / "home" / "pip").read_text().split()[-1] == "."

    # The front page lists the papers; nothing else in it, and no other file but ours, has changed.
    ours, between, after = parts(github.show("README.md"))
    assert (ours, after) == (parts(readme)[0], parts(readme)[2])
    assert "\n## Video Anomaly Detection\n" in between
    assert "\n## Graph Neural Networks\n" in between
    assert len(PAPER.findall(between)) > 10
    assert github.changed() == ["README.md", page(YESTERDAY)]
    assert github.git(github.remote, "log", "-1", "--format=%an", "main").strip() == "github-actions[bot]"

    moment.now += timedelta(days=1)
    assert github.run(TODAY) == ""
    assert github.subjects() == [f"Papers of {TODAY}", f"Papers of {YESTERDAY}", "Our topics", "Upstream"]
    first, second = (set(PAPER.findall(github.show(page(day)))) for day in (YESTERDAY, TODAY))
    assert first
    assert second
    assert not first & second  # only what is new
    assert github.changed() == ["README.md", page(TODAY)]
    assert second <= set(PAPER.findall(parts(github.show("README.md"))[1]))

    # Run once more, nothing is asked for and nothing committed.
    asked = len(arxiv[0].requests)
    assert github.run(TODAY) == ""
    assert len(arxiv[0].requests) == asked
    assert len(github.subjects()) == 4

    # What is kept between runs is not in git; nobody's address is.
    assert set(github.names()) - set(before) == {page(YESTERDAY), page(TODAY)}
    texts = [parts(github.show("README.md"))[1], *(github.show(page(day)) for day in (YESTERDAY, TODAY))]
    assert not [address for text in texts for address in ADDRESS.findall(text)]
    ignored = ["check-ignore", ".state/subscribers.db", ".state/subscribers.db-wal", ".state/subscribers.db.publish"]
    assert len(github.git(github.folder / "work1", *ignored).splitlines()) == 3
    agents = {request.headers["User-Agent"] for request in arxiv[0].requests}
    assert all("+https://github.com/someone/papers)" in agent for agent in agents)
    assert list(github.caches) == ["state-1-1", "state-2-1", "state-3-1"]


@needs_git
def test_what_could_not_be_pushed_is_kept_and_pushed_by_the_next_run(
    github: GitHub, arxiv: tuple[ArxivStandIn, Moment]
) -> None:
    hook = github.remote / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    assert "could not be pushed" in github.run(TODAY)
    asked = len(arxiv[0].requests)
    hook.unlink()
    assert github.run(TODAY) == ""
    assert len(arxiv[0].requests) == asked
    assert github.changed() == ["README.md", page(TODAY)]


@needs_git
def test_without_its_cache_topics_begin_anew_and_nothing_is_lost(
    github: GitHub, arxiv: tuple[ArxivStandIn, Moment]
) -> None:
    first_day(github, arxiv[1])
    kept = github.show(page(YESTERDAY))
    listed = set(PAPER.findall(github.show("README.md")))
    github.caches.clear()
    arxiv[1].now += timedelta(days=1)
    assert github.run(TODAY) == ""
    assert github.show(page(YESTERDAY)) == kept
    known = {paper.partition("v")[0] for paper in PAPER.findall(github.show("README.md"))}
    assert {paper.partition("v")[0] for paper in listed} <= known


@needs_git
def test_a_commit_that_came_first_is_built_upon(github: GitHub) -> None:
    def push() -> None:
        owner = github.clone("owner")
        (owner / "fork.toml").write_text((owner / "fork.toml").read_text() + "# meanwhile\n")
        github.git(owner, "commit", "-q", "-a", "-m", "Meanwhile")
        github.git(owner, "push", "-q")

    github.before_publishing = push
    assert github.run(TODAY) == ""
    assert github.subjects() == [f"Papers of {TODAY}", "Meanwhile", "Our topics", "Upstream"]
    assert github.show("fork.toml").endswith("# meanwhile\n")


@needs_git
def test_a_fork_takes_what_is_new_upstream(github: GitHub) -> None:
    assert github.run(TODAY) == ""
    upstream, owner = github.folder / "upstream", github.clone("owner")
    text = (upstream / "README.md").read_text()
    heading, sentence = text.split("\n\n")[-3:-1]
    changed = text.replace(f"{heading}\n\n{sentence}", "## What we read\n\nOther words.")
    assert changed != text
    (upstream / "README.md").write_text(changed)
    github.git(upstream, "commit", "-q", "-a", "-m", "Other words")
    github.git(owner, "pull", "-q", "--no-rebase", "--no-edit", str(upstream), "main")
    before, between, after = parts((owner / "README.md").read_text())
    assert (before, after) == (parts(changed)[0], parts(changed)[2])
    assert between == parts(github.show("README.md"))[1]
