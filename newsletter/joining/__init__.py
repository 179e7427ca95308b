"""Join, choose, move and leave, by links that are mailed.

What is asked for on the web lies in an inbox first, written the same way whoever it is about; `handle_requests`
decides later. So neither the answer nor its time tells a stranger who reads us. Who opens a link that was mailed has
shown that the address is theirs: `links` says what a link is about, and does what it stands for.
"""

from newsletter.joining.answering import forget_unconfirmed, handle_requests, invite
from newsletter.joining.asking import ask_for_link, ask_to_move, ask_to_subscribe

__all__ = [
    "ask_for_link",
    "ask_to_move",
    "ask_to_subscribe",
    "forget_unconfirmed",
    "handle_requests",
    "invite",
]
