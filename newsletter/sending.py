"""Send what is due: the sender's loop, with all that it needs of the newsletter."""

from collections.abc import Callable

from newsletter.app import App
from newsletter.collecting import hear_refusals
from newsletter.delivery import Limits, Run, Tally, Work
from newsletter.digests import Digests
from newsletter.journal import DELIVER, Journal
from newsletter.locks import hold
from newsletter.storage.deliveries import Claim
from newsletter.storage.pace import Cause
from newsletter.warning import warn


class _Letters:
    """Makes mails; what they are made from is kept until another process changes it."""

    def __init__(self, app: App) -> None:
        self._app, self._state = app, app.storage.state()
        self._digests = Digests(app.storage)

    def renew(self) -> None:
        """See whether something was changed."""
        state = self._app.storage.state()
        if state != self._state:
            self._state, self._digests = state, Digests(self._app.storage)
            self._app.composer.forget()
            _ = self._app.keyring  # refreshed

    def compose(self, claim: Claim) -> bytes | None:
        """See `App.compose`."""
        return self._app.compose(claim, self._digests)


def deliver(app: App, *, stay: bool = False, work: Callable[[Work], Work] = lambda work: work) -> Tally:
    """Send what is due. `work` may add a progress bar, or an event that ends the run.

    Raises:
        BusyError: another process is sending.
        TransportError: nothing can be handed over.

    """
    with hold(app.lock_file("sender"), "sending"):
        try:
            with Journal(app, DELIVER) as journal:
                return Run(app.storage, work(_work(app, journal))).drain(stay=stay)
        finally:
            if any(pause.cause is Cause.POLICY for pause in app.storage.pace.pauses()):
                warn(app)  # there may be no daemon to tell the operator


def _work(app: App, journal: Journal) -> Work:
    letters = _Letters(app)
    return Work(
        connect=app.carrier,
        compose=letters.compose,
        renew=letters.renew,
        sender=app.envelope_sender,
        envelope_id=app.envelope_id,
        heard=lambda endings: hear_refusals(app, endings),
        clock=app.outside.clock,
        monotonic=app.outside.monotonic,
        sleep=app.outside.sleep,
        chance=app.outside.chance,
        limits=Limits.of(app.config),
        pulse=journal.pulse,
        well=journal.well,
    )
