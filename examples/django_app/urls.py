"""Where the views are."""

from django.urls import path

from examples.django_app import views

urlpatterns = [
    path("signup", views.signup),
    path("orders", views.place_order),
    path("orders/<int:order>", views.show_order),
]
