"""Mails that come back, as servers, providers and persons write them."""

DIGEST_HEAD = "From: papers@example.org\nTo: ada@example.org\nSubject: Papers\nMessage-ID: <{message_id}>\n"


def failed(
    to: str,
    status: str = "5.1.1",
    diagnosis: str = "smtp; 550 5.1.1 no such user",
    *,
    recipient: str = "ada@example.org",
    action: str = "failed",
    envelope_id: str = "",
    message_id: str = "",
    more: str = "",
) -> bytes:
    """A report of delivery (RFC 3464) to an address."""
    envelope = f"Original-Envelope-Id: {envelope_id}\n" if envelope_id else ""
    head = DIGEST_HEAD.format(message_id=message_id or "other@elsewhere.example")
    return f"""\
Return-Path: <>
Delivered-To: {to}
From: Mail Delivery System <MAILER-DAEMON@mail.example.org>
To: {to}
Subject: Undelivered Mail Returned to Sender
Auto-Submitted: auto-replied
{more}MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="B"

--B
Content-Type: text/plain

I am sorry to say that your mail could not be delivered.

--B
Content-Type: message/delivery-status

Reporting-MTA: dns; mail.example.org
{envelope}
Final-Recipient: rfc822; {recipient}
Action: {action}
Status: {status}
Diagnostic-Code: {diagnosis}

--B
Content-Type: text/rfc822-headers

{head}
--B--
""".encode()


def complaint(
    to: str = "bounces@example.org",
    kind: str = "abuse",
    *,
    mail_from: str = "",
    message_id: str = "other@elsewhere.example",
    leave: str = "",
    recipient: str = "",
) -> bytes:
    """A report of spam (RFC 5965)."""
    fields = "".join(
        f"{name}: {value}\n"
        for name, value in (("Original-Mail-From", mail_from and f"<{mail_from}>"), ("Original-Rcpt-To", recipient))
        if value
    )
    head = DIGEST_HEAD.format(message_id=message_id)
    link = f"List-Unsubscribe: <mailto:papers@example.org?subject=unsubscribe%20{leave}>\n" if leave else ""
    return f"""\
From: feedback@provider.example
To: {to}
Subject: FW: Papers
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary="B"

--B
Content-Type: text/plain

This is a report of an abusive mail.

--B
Content-Type: message/feedback-report

Feedback-Type: {kind}
User-Agent: Provider/1.0
Version: 1
{fields}
--B
Content-Type: message/rfc822

{head}{link}
Hello.

--B--
""".encode()


def plain(to: str, subject: str, text: str = "Hello.\n", more: str = "") -> bytes:
    """A mail of plain text."""
    return f"From: Ada <ada@example.org>\nTo: {to}\nSubject: {subject}\n{more}\n{text}".encode()


def by_qmail(to: str, recipient: str = "ada@example.org") -> bytes:
    """What only guesses understand (QSBMF)."""
    return f"""\
From: MAILER-DAEMON@mail.example.org
To: {to}
Subject: failure notice

Hi. This is the qmail-send program at mail.example.org.
I'm afraid I wasn't able to deliver your message to the following addresses.

<{recipient}>:
Sorry, no mailbox here by that name.

--- Below this line is a copy of the message.

Return-Path: <{to}>
Subject: Papers

Hello.
""".encode()
