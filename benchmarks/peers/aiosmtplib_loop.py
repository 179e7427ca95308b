"""Send the mails of a folder with aiosmtplib: FOLDER PORT MAILS CONNECTIONS; prints mails a second."""

import asyncio
import itertools
import sys
import time
from pathlib import Path

import aiosmtplib

_SENDER, _RECIPIENT = "papers@example.org", "reader@example.org"


async def _main(folder: Path, port: int, mails: int, connections: int) -> float:
    messages = [file.read_bytes() for file in sorted(folder.iterdir())]

    async def send(number: int) -> None:
        smtp = aiosmtplib.SMTP(hostname="127.0.0.1", port=port, start_tls=False)
        await smtp.connect()
        for message in itertools.islice(itertools.cycle(messages), number):
            await smtp.sendmail(_SENDER, [_RECIPIENT], message)
        await smtp.quit()

    start = time.perf_counter()
    await asyncio.gather(*(send((mails + place) // connections) for place in range(connections)))
    return mails / (time.perf_counter() - start)


print(asyncio.run(_main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))))
