"""Stand-ins that make a whole day runnable on a laptop with no network: an invented arXiv and a mail server."""
