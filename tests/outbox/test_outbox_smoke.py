from cmqueue import Message, Outbox, State


def test_a_message_is_queued(each_outbox: Outbox) -> None:
    """What enqueue returned an id for waits in its lane, and the books balance."""
    receipt = each_outbox.enqueue(Message(sender="Acme", to="+31600000001", text="hi"))

    status = each_outbox.status(receipt.id)
    assert status is not None
    assert State.QUEUED is status.state
    assert each_outbox.audit().balanced
