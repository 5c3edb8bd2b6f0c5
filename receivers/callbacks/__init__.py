"""What tells the app: handlers of its own in the worker process, and signed HTTP callbacks.

schedule  what becomes of a call after a try      address   whether an address may be called at all
payload   the body and its signatures             post      one POST, and its answer as a value
endpoint  the calls of one endpoint               desk      the calls of one handler
posting   the errand of the callbacks             handling  the errand of the handlers
tidy      the errand that cuts the streams to what somebody needs
"""
