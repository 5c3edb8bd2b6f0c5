"""Rich content, judged by CM's pages on each channel and the limits of CM's SDKs.

    node         one JSON object of it: its values by type and name, and what is wrong with them
    conversation the items that are shown one after the other, each of one kind
    suggestion   what a recipient may tap
    card         cards and carousels; media; place: a point on the map
    template, interactive, contact     WhatsApp's own
    apple        list picker, payment, authentication of Apple Messages for Business
    shown        the same for a person to read

A wrong type spoils the whole request (202), a wrong value only its message (305). What is wrong with a value
is told with its path; the first fault counts. Properties that CM does not name are ignored.
"""

from sandbox.rich.conversation import Reading, read_rich_content

__all__ = ["Reading", "read_rich_content"]
