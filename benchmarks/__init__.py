"""How fast it is, beside one Celery task per message and beside the least a loop must do: `make bench`."""
