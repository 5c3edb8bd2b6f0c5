"""A shop in Flask: a signup that sends a code, an order that sends a notice when it is committed.

flask --app examples.flask_app.app run
"""
