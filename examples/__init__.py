"""Small web apps that enqueue, one in each framework. Tests start them as they are: tests/integrations.

They may share an outbox: an idempotency key begins with the name of its app.
"""
