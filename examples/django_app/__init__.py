"""A shop in Django: a signup that sends a code, an order that sends a notice when it is committed.

python -m examples.django_app.manage migrate --run-syncdb
python -m examples.django_app.manage runserver
python -m examples.django_app.manage cmqueue doctor
"""
