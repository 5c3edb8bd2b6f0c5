"""A shop in FastAPI: a signup that sends a code, an order that sends a notice when it is committed.

uvicorn examples.fastapi_app.app:app
"""
