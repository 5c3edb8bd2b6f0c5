"""The way back: what CM tells of messages, what is made of it, and what the app is told.

    webhooks    the HTTP program that CM's webhooks call: in Redis, then 200 (`python -m receivers.webhooks`)
    processing  what the webhooks brought, read and merged: receipts, inbound messages, opt-outs, clicks
    reconcile   what is in doubt, asked of CM's Transactions API
    callbacks   events of ours to the app: its handlers, and signed HTTP callbacks
    errands     the work of the three above inside a worker process: a Celery task, woken when there is some

Nothing here imports the way out or the ways in.
"""
