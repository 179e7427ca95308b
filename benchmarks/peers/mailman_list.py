"""Post one mail to a list of Mailman 3, personalised for each member: FOLDER MAIL PORT MEMBERS; prints mails a second.

Measured is its outgoing runner, from a queue with the one mail in it: each member gets a copy with their own To and
envelope sender (VERP), over one connection.
"""

import sys
import time
from email import message_from_bytes
from pathlib import Path

from mailman.app.lifecycle import create_list
from mailman.config import config
from mailman.core.initialize import initialize
from mailman.email.message import Message
from mailman.interfaces.domain import IDomainManager
from mailman.interfaces.mailinglist import Personalization
from mailman.interfaces.usermanager import IUserManager
from mailman.runners.outgoing import OutgoingRunner
from zope.component import getUtility

_CONFIG = """
[mailman]
layout: here
[paths.here]
var_dir: {folder}
[mta]
smtp_host: 127.0.0.1
smtp_port: {port}
incoming: mailman.mta.null.NullMTA
"""


def _main(folder: Path, mail: Path, port: int, members: int) -> float:
    (folder / "mailman.cfg").write_text(_CONFIG.format(folder=folder, port=port))
    initialize(str(folder / "mailman.cfg"))
    getUtility(IDomainManager).add("example.org")
    ours = create_list("papers@example.org")
    ours.personalize = Personalization.full
    addresses = [f"reader{number}@example.org" for number in range(members)]
    for address in addresses:
        ours.subscribe(getUtility(IUserManager).create_address(address, ""))
    config.db.commit()
    message = message_from_bytes(mail.read_bytes(), Message)
    queue = config.switchboards["out"]
    queue.enqueue(message, listid=ours.list_id, recipients=addresses, verp=True)
    runner = OutgoingRunner("out")
    start = time.perf_counter()
    runner._one_iteration()
    seconds = time.perf_counter() - start
    if queue.files or any((folder / "queue" / "shunt").glob("*.pck")):
        sys.exit("Mailman did not deliver it")
    return members / seconds


print(_main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])))
