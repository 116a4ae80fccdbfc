"""`headgan contacts`: what is remembered of callers in, a list out; deletes too."""

import json
import sys
from dataclasses import dataclass
from datetime import UTC, datetime

from headgan.models.contacts import Contacts
from headgan.proto.options import option


@dataclass(frozen=True)
class ContactsOptions:
    """Options of `headgan contacts`."""

    delete: str | None = option(None, "forget this one", metavar="NAME")
    json: bool = option(False, "list as JSON")


def list_contacts(options: ContactsOptions) -> int:
    """Lists what `--remember` kept, or deletes one."""
    contacts = Contacts()
    if options.delete is not None:
        contacts.delete(options.delete)
        return 0
    rows = [_describe(contacts, name) for name in contacts.names()]
    if options.json:
        sys.stdout.write(json.dumps(rows, indent=2) + "\n")
        return 0
    for row in rows:
        sys.stdout.write(
            "{name}  {references} references  {bytes} bytes  last call {last_call}\n".format(**row)
        )
    if not rows:
        sys.stderr.write("headgan contacts: nobody is remembered; headgan-recv --remember NAME does\n")
    return 0


def _describe(contacts: Contacts, name: str) -> dict[str, str | int]:
    contact = contacts.read(name)
    last_call = datetime.fromtimestamp(contacts.last_call_s(name), UTC)
    return {
        "name": name,
        "references": len(contact.params) if contact else 0,
        "bytes": contacts.size_bytes(name),
        "last_call": last_call.isoformat(timespec="seconds"),
    }
