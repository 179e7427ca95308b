"""What a reader would wonder about in an edition: why it is late, what it lacks."""

from newsletter.app import App
from newsletter.model import HarvestState, Remark, RemarkKind
from newsletter.storage.harvests import HarvestRecord


def remarks(app: App) -> tuple[Remark, ...]:
    """What is to be said of the edition that is made from what was not decided on yet."""
    harvests = app.storage.harvests
    settled = harvests.newest_settled()
    fetched = harvests.since(settled.id if settled is not None else 0)
    found = list(_late(app, settled, fetched)) if settled is not None and fetched else []
    newest = fetched[-1] if fetched else None
    if newest is not None and newest.state is HarvestState.PARTIAL:
        found.append(Remark(RemarkKind.PARTIAL, topics=tuple(harvests.failures(newest.id))))
    if newest is not None and newest.state is HarvestState.STALE:
        found.append(Remark(RemarkKind.STALE))
    if harvests.is_provisional():
        found.append(Remark(RemarkKind.FEED_ONLY))
    return tuple(found)


def _late(app: App, settled: HarvestRecord, fetched: list[HarvestRecord]) -> list[Remark]:
    """Of one day's batch nothing is to be said; of several, since when, and whether arXiv did not answer meanwhile."""
    for record in fetched:
        # What lacked something had an edition that said so; and feeds that were empty were looked at.
        if record.settled and (record.state is HarvestState.QUIET or app.storage.editions.exists(record.date)):
            settled = record
    fetched = [record for record in fetched if record.id > settled.id]
    batches = app.calendar.between(settled.ended, fetched[-1].ended) if fetched else []
    if len(batches) < 2:
        return []
    failed = [record.date for record in fetched if record.state is HarvestState.FAILED]
    if failed:
        return [Remark(RemarkKind.OUTAGE, min(failed), max(failed))]
    return [Remark(RemarkKind.LATE, app.hours.today(batches[0].announced))]
