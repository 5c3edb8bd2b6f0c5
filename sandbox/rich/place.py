"""A point on the map: an item of the conversation, or what a suggestion shows."""

from __future__ import annotations

from sandbox.rich.node import Node


def check_location(place: Node) -> None:
    """An item: both coordinates; its name and how it is searched for if wanted."""
    _check_coordinates(place)
    place.text("label")
    place.text("searchQuery")
    _check_radius(place)


def check_view(place: Node) -> None:
    """Behind a suggestion: a name, and both coordinates or what the map should search for."""
    if place.has("latitude", "longitude") or not place.text("searchQuery"):
        _check_coordinates(place)
    place.text("label", needed=True)
    _check_radius(place)


def _check_coordinates(place: Node) -> None:
    place.coordinate("latitude", 90)
    place.coordinate("longitude", 180)


def _check_radius(place: Node) -> None:
    radius = place.whole("radius")
    if radius is not None and radius < 1:
        place.refuse("is below 1", "radius")
