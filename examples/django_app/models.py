"""What the shop keeps."""

from django.db import models


class Order(models.Model):  # type: ignore[misc]  # Django ships no types
    """One order, and the message that tells of it."""

    phone = models.CharField(max_length=32)
    item = models.CharField(max_length=64)
    message = models.CharField(max_length=26, blank=True)

    def __str__(self) -> str:
        return f"order {self.pk}"
