"""SMTP (RFC 5321): several connections driven by one thread, each answer told apart by whom it is about."""

from newsletter.mail.transports.smtp.carrier import SmtpCarrier
from newsletter.mail.transports.smtp.opening import SmtpServer
from newsletter.mail.transports.smtp.replies import judge

__all__ = ["SmtpCarrier", "SmtpServer", "judge"]
