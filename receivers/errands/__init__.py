"""Errands inside a worker process: the Celery task, the thread that looks for work, and the list of errands.

task        where Celery meets them; named by Celery's `imports` (config/celery.py)
office      which errands run in this process, by how many threads
lookout     the thread that asks each errand whether it has work, and heals lost wake-ups
roster      the list
"""
